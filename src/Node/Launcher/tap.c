#define _GNU_SOURCE
#include "tap.h"
#include "descriptors.h"
#include "fail.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

void hand_tap(const char *what)
{
    char *name;
    long number = strtol(what, &name, 10);
    if (*name++ != ':' || strlen(name) == 0 || strlen(name) >= IFNAMSIZ)
        fail("%s is not NUMBER:NAME\n", what);

    /* The ioctl would make one that is not there, and it would be nobody's to remove. */
    if (if_nametoindex(name) == 0)
        fail("there is no network device %s\n", name);

    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    strcpy(request.ifr_name, name);
    int fd = own(open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK), "/dev/net/tun");
    if (ioctl(fd, TUNSETIFF, &request) != 0)
        fail("the TAP device %s cannot be opened: %s\n", name, strerror(errno));
    hand((int)number, fd);
}
