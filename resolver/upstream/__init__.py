"""How a question is asked of the upstreams; `forwarder` is the door.

    forwarder   one ask: who is asked, in which order, until when        (Forwarder)
    inquiry     one question on its way from server to server            (Inquiry)
    servers     which servers are up, which are down, who is tried first (Servers, Server)
    udp         one server's pool of short-lived sockets                 (UdpPool)
    stream      one server's pipelined TCP connection                    (StreamLink)
    deadlines   one coarse timer for all that waits                      (Deadlines)
    randomness  message IDs, ports and choices that nobody can guess     (Randomness)
    asking      what the two transports and those who ask agree upon     (Asker, Link, Place)

Nothing here makes a Future or a Task for a query: a reply runs straight from the socket to the caller's `done`.
"""
