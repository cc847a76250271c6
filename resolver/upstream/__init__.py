"""Forwarding of questions to upstream servers; others import `zones` alone.

    zones          forwarders by zone                                           (ZonedForwarder)
    forwarder      the servers of one zone, and the questions put to them       (Forwarder)
    inquiry        one question on its way from server to server                (Inquiry)
    stages         its stages                                                   (Stage)
    remedies       other ways to put it to a server that refused it             (remedy_for)
    failures       what became of it so far                                     (Failures)
    circumstances  settings and counts that all inquiries share                 (Circumstances)
    health         servers that are up or down, and the order they are tried in (Health)
    server         one server's state and counts                                (Server)
    bootstrap      addresses of servers that have names                         (Bootstrap)
    udp            one server's pool of short-lived sockets                     (UdpPool)
    stream         one server's connections over TCP, TLS and HTTPS             (StreamLink)
    connection     one connection, and the questions in flight on it            (Connection)
    tcp            one that speaks DNS, over TCP or TLS                         (TcpConnection)
    https          one that speaks HTTP/2                                       (HttpsConnection)
    connecting     opening of connections                                       (Dialling)
    encrypted      links by DoT and DoH; client_context has their TLS           (ClientContext)
    marks          cookies and letter case, which forged replies lack           (Marks)
    deadlines      one coarse timer for all that waits                          (Deadlines)
    randomness     message IDs, ports and choices that nobody can guess         (Randomness)
    asking         base classes of the transports and of those who ask          (Asker, Link)

Nothing here makes a Future or a Task for a query: a reply runs straight from the socket to the caller's `done`.
"""
