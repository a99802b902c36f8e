/* Network devices of the guest. */
#pragma once

/* From "NUMBER:NAME": QEMU will have that TAP device, which is there already, under that number. */
void hand_tap(const char *what);
