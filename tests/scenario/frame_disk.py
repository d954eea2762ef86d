# SPDX-License-Identifier: MIT
"""A small disk for a folder of a host, and what fills it."""

import os
import shutil
import subprocess

from frame import Skipped

mounted = []


class SmallDisk:
    """A tmpfs at path; unmount_all() takes it away."""

    def __init__(self, path, octets, inodes=0, mode=0o755):
        self.path, self.inodes = path, inodes
        self.filler = os.path.join(path, "filler")
        os.makedirs(path, mode=mode, exist_ok=True)
        if subprocess.run(["mount", "-t", "tmpfs", "-o",
                           f"size={octets},nr_inodes={inodes},mode={mode:o}",
                           "tmpfs", path],
                          capture_output=True).returncode != 0:
            raise Skipped("needs the right to mount")
        mounted.append(path)

    def use_inodes(self):
        os.makedirs(self.filler, exist_ok=True)
        for i in range(2 * self.inodes):
            try:
                open(os.path.join(self.filler, str(i)), "x").close()
            except OSError:
                return
        raise AssertionError("there is always another inode")

    def use_blocks(self, steps=(65536, 512, 1)):
        """To the last octet, or to less than the last step."""
        os.makedirs(self.filler, exist_ok=True)
        with open(os.path.join(self.filler, "big"), "wb",
                  buffering=0) as file:
            for size in steps:
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    pass

    def free(self):
        shutil.rmtree(self.filler)


def unmount_all():
    for path in mounted:
        subprocess.run(["umount", "-l", path], check=False)
