/* DNS queries over UDP from many client addresses: as many outstanding as said, or so many a second whatever comes back.
 *
 * load PORT FILE SECONDS OUTSTANDING RATE ONCE
 *   FILE         bench.datagrams writes it: number of sockets (4 octets), the IPv4 address of each, then for each query
 *                its length (2 octets), its socket (2) and its octets; all in network order
 *   OUTSTANDING  so many queries are on their way at any time, if RATE is 0
 *   RATE         queries a second at random moments (a Poisson process), answered or not; each answer's time is taken by
 *                the kernel, so that how late this program comes to read it does not count
 *   ONCE         1: end when each query of the file was asked once; 0: begin anew
 * Prints one line of JSON. Answers that take longer than two seconds are lost. Ends by itself.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 65536, BATCH = 32, MOST_OCTETS = 512, MOST_SOCKETS = 1000, RECEIVE_BUFFER = 1 << 20 };
static const int64_t SECOND = 1000000000, LOST_AFTER = 2 * 1000000000LL;

struct slot { int64_t sent; int socket; int waits; };

static struct slot slots[SLOTS]; /* by message ID */
static uint16_t order[SLOTS];    /* IDs as they were sent: a ring, since none is sent twice while it waits */
static unsigned oldest, newest, outstanding, next_id;
static long sent, answered, failed, lost;
static int sockets[MOST_SOCKETS];
static uint32_t *latencies, *lateness;
static long most_samples, samples;

static const unsigned char *file, *records, *at, *end;

static int64_t newest_answer;

static int64_t now(void) { /* the clock that the kernel marks datagrams by */
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

static void die(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static unsigned number(const unsigned char *octets, int count) {
    unsigned value = 0;
    while (count--) value = value << 8 | *octets++;
    return value;
}

static void open_file(const char *path) {
    struct stat about;
    int opened = open(path, O_RDONLY);
    if (opened < 0 || fstat(opened, &about) || about.st_size < 12) die(path);
    file = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, opened, 0);
    if (file == MAP_FAILED) die(path);
    end = file + about.st_size;
    at = records = file + 4 + 4 * number(file, 4);
}

static int open_sockets(int port, int poll, int timed) {
    int count = (int)number(file, 4), size = RECEIVE_BUFFER, on = 1;
    if (count < 1 || count > MOST_SOCKETS) die("number of sockets");
    for (int each = 0; each < count; each++) {
        struct sockaddr_in own = {.sin_family = AF_INET}, server = {.sin_family = AF_INET, .sin_port = htons(port)};
        memcpy(&own.sin_addr, file + 4 + 4 * each, 4);
        server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int one = sockets[each] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        setsockopt(one, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
        if (timed) setsockopt(one, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)each};
        if (one < 0 || bind(one, (void *)&own, sizeof own) || connect(one, (void *)&server, sizeof server) ||
            epoll_ctl(poll, EPOLL_CTL_ADD, one, &event))
            die("socket");
    }
    return count;
}

/* The next queries of the file that leave by one socket, at most `most`: how many were sent. */
static unsigned send_some(unsigned most, int64_t due, int once) {
    static unsigned char buffers[BATCH][MOST_OCTETS];
    static struct iovec pieces[BATCH];
    static struct mmsghdr messages[BATCH];
    static uint16_t ids[BATCH];
    unsigned count = 0, from = 0;
    if (most > BATCH) most = BATCH;
    while (count < most && outstanding + count < SLOTS - BATCH) {
        if (at >= end) {
            if (once) break;
            at = records;
        }
        unsigned length = number(at, 2), of = number(at + 2, 2);
        if (length < 12 || length > MOST_OCTETS) die("length of a query");
        if (count && of != from) break;
        from = of;
        while (slots[next_id & 0xffff].waits) next_id++;
        ids[count] = (uint16_t)next_id++;
        memcpy(buffers[count], at + 4, length);
        buffers[count][0] = (unsigned char)(ids[count] >> 8);
        buffers[count][1] = (unsigned char)ids[count];
        pieces[count] = (struct iovec){buffers[count], length};
        messages[count].msg_hdr = (struct msghdr){.msg_iov = &pieces[count], .msg_iovlen = 1};
        slots[ids[count]].waits = 1; /* so that it is not given twice in this batch */
        at += 4 + length;
        count++;
    }
    if (!count) return 0;
    int64_t moment = now();
    for (unsigned each = 0; each < count; each++) {
        slots[ids[each]] = (struct slot){moment, (int)from, 1};
        order[newest++ % SLOTS] = ids[each];
    }
    if (due && samples < most_samples) lateness[sent % most_samples] = (uint32_t)(moment > due ? moment - due : 0);
    outstanding += count;
    sent += count;
    for (unsigned done = 0; done < count;) { /* what the kernel does not take is lost, as in a network */
        int some = sendmmsg(sockets[from], messages + done, count - done, 0);
        done += some > 0 ? (unsigned)some : 1;
    }
    return count;
}

static void receive(int from, int timed) {
    static unsigned char buffers[BATCH][16], controls[BATCH][64];
    static struct iovec pieces[BATCH];
    static struct mmsghdr messages[BATCH];
    for (int each = 0; each < BATCH; each++) {
        pieces[each] = (struct iovec){buffers[each], sizeof buffers[each]};
        messages[each].msg_hdr = (struct msghdr){.msg_iov = &pieces[each], .msg_iovlen = 1};
        if (timed) {
            messages[each].msg_hdr.msg_control = controls[each];
            messages[each].msg_hdr.msg_controllen = sizeof controls[each];
        }
    }
    int got = recvmmsg(sockets[from], messages, BATCH, MSG_DONTWAIT, NULL);
    for (int each = 0; each < got; each++) {
        struct slot *slot = &slots[number(buffers[each], 2)];
        if (messages[each].msg_len < 12 || !slot->waits || slot->socket != from) continue; /* too late, or not ours */
        slot->waits = 0;
        outstanding--;
        newest_answer = now();
        if (buffers[each][3] & 0xf) failed++;
        else answered++;
        struct cmsghdr *mark = timed ? CMSG_FIRSTHDR(&messages[each].msg_hdr) : NULL;
        if (mark && mark->cmsg_type == SCM_TIMESTAMPNS && samples < most_samples) {
            struct timespec came;
            memcpy(&came, CMSG_DATA(mark), sizeof came);
            int64_t took = came.tv_sec * SECOND + came.tv_nsec - slot->sent;
            latencies[samples++] = (uint32_t)(took > 0 ? took : 0);
        }
    }
}

static void give_up_late_ones(int64_t moment) {
    for (; oldest != newest; oldest++) {
        struct slot *slot = &slots[order[oldest % SLOTS]];
        if (slot->waits && moment - slot->sent < LOST_AFTER) return;
        if (slot->waits) {
            slot->waits = 0;
            outstanding--;
            lost++;
        }
    }
}

static int by_size(const void *one, const void *other) {
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return a < b ? -1 : a > b;
}

static double microseconds(uint32_t *sorted, long count, double share) {
    return count ? sorted[(long)((double)(count - 1) * share)] / 1000.0 : 0;
}

int main(int count, char **arguments) {
    if (count != 7) {
        fprintf(stderr, "usage: load PORT FILE SECONDS OUTSTANDING RATE ONCE\n");
        return 2;
    }
    double seconds = atof(arguments[3]), rate = atof(arguments[5]);
    unsigned most = (unsigned)atoi(arguments[4]);
    int once = atoi(arguments[6]), timed = rate > 0, poll = epoll_create1(0);
    prctl(PR_SET_TIMERSLACK, 1);
    open_file(arguments[2]);
    open_sockets(atoi(arguments[1]), poll, timed);
    most_samples = timed ? (long)(rate * seconds * 1.5) + 1000 : 1;
    latencies = calloc((size_t)most_samples, sizeof *latencies);
    lateness = calloc((size_t)most_samples, sizeof *lateness);
    if (!latencies || !lateness) die("memory");
    srand48(1);
    int64_t began = now(), moment = began, stop = began + (int64_t)(seconds * 1e9), due = began, stopped = 0;
    while (!stopped || outstanding) {
        if (!stopped && (moment >= stop || (once && at >= end))) stopped = moment;
        if (stopped && moment - (newest_answer > stopped ? newest_answer : stopped) > (timed ? LOST_AFTER : SECOND / 4))
            break; /* what saturates a server is not waited for: its socket has no room for more */
        while (!stopped && !timed && outstanding < most && send_some(most - outstanding, 0, once)) continue;
        while (!stopped && timed && due <= moment) {
            send_some(1, due, once);
            due += (int64_t)(-log(1 - drand48()) / rate * 1e9);
            moment = now();
        }
        int64_t pause = stopped || !timed ? SECOND / 10 : due - moment;
        struct timespec wait = {0, pause < 0 ? 0 : pause < SECOND / 10 ? pause : SECOND / 10};
        struct epoll_event events[64];
        int ready = epoll_pwait2(poll, events, 64, &wait, NULL);
        for (int each = 0; each < ready; each++) receive((int)events[each].data.u32, timed);
        moment = now();
        give_up_late_ones(moment);
    }
    lost += outstanding;
    long late = sent < most_samples ? sent : most_samples;
    qsort(latencies, (size_t)samples, sizeof *latencies, by_size);
    qsort(lateness, (size_t)late, sizeof *lateness, by_size);
    printf("{\"sent\": %ld, \"answered\": %ld, \"failed\": %ld, \"lost\": %ld, \"seconds\": %.6f, ", sent, answered,
           failed, lost, (double)(stopped - began) / 1e9);
    printf("\"p50\": %.1f, \"p99\": %.1f, \"p999\": %.1f, \"late_p99\": %.1f}\n", microseconds(latencies, samples, .5),
           microseconds(latencies, samples, .99), microseconds(latencies, samples, .999),
           microseconds(lateness, late, .99));
    return 0;
}
