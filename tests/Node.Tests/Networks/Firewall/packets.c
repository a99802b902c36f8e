// What tests of filters send and receive. One processor does it all, so that what was sent first is delivered first.
//   packets frames DEVICE         sends each line of stdin as a frame (hexadecimal), answers "!" with "!", writes each frame received
//   packets answer PORT...        answers on TCP and UDP ports with "PEER-ADDRESS LOCAL-PORT"; writes "ready" when it listens
//   packets ask tcp|udp ADDRESS PORT MILLISECONDS   connects and writes the answer; ends with 1 when none came
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <netpacket/packet.h>
#include <net/ethernet.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void fail(const char *what)
{
    perror(what);
    exit(2);
}

static void put(const unsigned char *bytes, size_t count)
{
    static char text[2 * 65536 + 2];
    for (size_t i = 0; i < count; i++)
        sprintf(text + 2 * i, "%02x", bytes[i]);
    text[2 * count] = '\n';
    if (write(1, text, 2 * count + 1) < 0)
        fail("write");
}

static int frames(const char *device)
{
    static char line[2 * 65536 + 2];
    static unsigned char frame[65536];
    size_t held = 0;
    int packets = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
    int large = 16 << 20;
    struct sockaddr_ll here = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = if_nametoindex(device) };
    if (packets < 0 || bind(packets, (struct sockaddr *)&here, sizeof here) < 0)
        fail(device);
    setsockopt(packets, SOL_SOCKET, SO_RCVBUFFORCE, &large, sizeof large);
    setsockopt(packets, SOL_SOCKET, SO_SNDBUFFORCE, &large, sizeof large);
    if (write(1, "ready\n", 6) != 6)
        fail("write");
    for (;;)
    {
        struct pollfd both[] = { { .fd = 0, .events = POLLIN }, { .fd = packets, .events = POLLIN } };
        if (poll(both, 2, -1) < 0)
            fail("poll");
        if (both[1].revents)
        {
            struct sockaddr_ll from;
            socklen_t size = sizeof from;
            ssize_t count = recvfrom(packets, frame, sizeof frame, 0, (struct sockaddr *)&from, &size);
            if (count > 0 && from.sll_pkttype != PACKET_OUTGOING)
                put(frame, count);
        }
        if (!both[0].revents)
            continue;
        ssize_t got = read(0, line + held, sizeof line - held);
        if (got <= 0)
            return 0;
        held += got;
        char *start = line, *end;
        while ((end = memchr(start, '\n', line + held - start)))
        {
            size_t count = (end - start) / 2;
            if (*start == '!')
            {
                if (write(1, "!\n", 2) != 2)
                    fail("write");
            }
            else
            {
                for (size_t i = 0; i < count; i++)
                {
                    unsigned value;
                    sscanf(start + 2 * i, "%2x", &value);
                    frame[i] = value;
                }
                if (send(packets, frame, count, 0) < 0)
                    fail("send");
            }
            start = end + 1;
        }
        held -= start - line;
        memmove(line, start, held);
    }
}

static void answer(int socket, const struct sockaddr_in6 *peer, socklen_t size, int port)
{
    char name[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 16];
    const struct in6_addr *a = &peer->sin6_addr;
    inet_ntop(IN6_IS_ADDR_V4MAPPED(a) ? AF_INET : AF_INET6, IN6_IS_ADDR_V4MAPPED(a) ? (const void *)(a->s6_addr + 12) : a, name, sizeof name);
    int length = sprintf(text, "%s %d\n", name, port);
    if (sendto(socket, text, length, MSG_NOSIGNAL, size ? (struct sockaddr *)peer : NULL, size) < 0)
        perror("answer");
}

static int answers(char **ports, int count)
{
    struct pollfd *sockets = calloc(2 * count, sizeof *sockets);
    for (int i = 0; i < 2 * count; i++)
    {
        int one = 1, zero = 0;
        struct sockaddr_in6 here = { .sin6_family = AF_INET6, .sin6_port = htons(atoi(ports[i / 2])) };
        sockets[i] = (struct pollfd){ .fd = socket(AF_INET6, i % 2 ? SOCK_DGRAM : SOCK_STREAM, 0), .events = POLLIN };
        setsockopt(sockets[i].fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        setsockopt(sockets[i].fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
        if (bind(sockets[i].fd, (struct sockaddr *)&here, sizeof here) < 0 || (i % 2 == 0 && listen(sockets[i].fd, 64) < 0))
            fail(ports[i / 2]);
    }
    if (write(1, "ready\n", 6) != 6)
        fail("write");
    struct pollfd gone = { .fd = 0, .events = POLLIN };
    for (;;)
    {
        // Looked at now and then: the end of stdin is the end of the test.
        if (poll(sockets, 2 * count, 200) < 0)
            fail("poll");
        if (poll(&gone, 1, 0) > 0)
            return 0;
        for (int i = 0; i < 2 * count; i++)
        {
            struct sockaddr_in6 peer;
            socklen_t size = sizeof peer;
            char text[2048];
            if (!sockets[i].revents)
                continue;
            if (i % 2)
            {
                if (recvfrom(sockets[i].fd, text, sizeof text, 0, (struct sockaddr *)&peer, &size) >= 0)
                    answer(sockets[i].fd, &peer, size, atoi(ports[i / 2]));
                continue;
            }
            int stream = accept(sockets[i].fd, (struct sockaddr *)&peer, &size);
            if (stream >= 0)
            {
                answer(stream, &peer, 0, atoi(ports[i / 2]));
                shutdown(stream, SHUT_WR);
                close(stream);
            }
        }
    }
}

static int ask(const char *protocol, const char *address, const char *port, int milliseconds)
{
    char text[2048];
    int udp = !strcmp(protocol, "udp");
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = udp ? SOCK_DGRAM : SOCK_STREAM }, *to;
    if (getaddrinfo(address, port, &hints, &to))
        fail(address);
    int asked = socket(to->ai_family, to->ai_socktype | SOCK_NONBLOCK, 0);
    struct pollfd waiting = { .fd = asked, .events = udp ? POLLIN : POLLOUT };
    if ((connect(asked, to->ai_addr, to->ai_addrlen) < 0 && errno != EINPROGRESS) || (udp && send(asked, "?\n", 2, 0) < 0))
        return 1;
    for (;;)
    {
        if (poll(&waiting, 1, milliseconds) <= 0)
            return 1;
        ssize_t count = recv(asked, text, sizeof text, 0);
        if (count > 0)
            return write(1, text, count) == count ? 0 : 2;
        if (count == 0 || errno != EAGAIN)
            return 1;
        waiting.events = POLLIN;
    }
}

int main(int count, char **arguments)
{
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    sched_setaffinity(0, sizeof first, &first);
    if (count == 3 && !strcmp(arguments[1], "frames"))
        return frames(arguments[2]);
    if (count > 2 && !strcmp(arguments[1], "answer"))
        return answers(arguments + 2, count - 2);
    if (count == 6 && !strcmp(arguments[1], "ask"))
        return ask(arguments[2], arguments[3], arguments[4], atoi(arguments[5]));
    fprintf(stderr, "see the first lines of packets.c\n");
    return 2;
}
