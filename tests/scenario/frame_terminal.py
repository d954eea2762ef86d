# SPDX-License-Identifier: MIT
"""A program with a terminal of its own, for clients that people type into."""

import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
from fcntl import ioctl

from frame import Failed, Skipped, wait_for

ROWS, COLUMNS = 30, 110
CONTROLS = re.compile(rb"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[()][0-9A-B]|[=>78])"
                      rb"|[\x00-\x08\x0e-\x1f]")


class Terminal:
    """The screen is what was written since the last wait(), without its
    controls: enough to look for words."""

    def __init__(self, command, home, environment):
        try:
            self.fd, slave = pty.openpty()
        except OSError as error:
            raise Skipped(f"no terminals: {error}: see /dev/pts") from None
        ioctl(slave, termios.TIOCSWINSZ,
              struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.text, self.at = b"", 0
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, cwd=home,
            start_new_session=True, env=dict(
                os.environ, HOME=home, TERM="vt100", LC_ALL="C.UTF-8",
                **environment))
        os.close(slave)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        # It would go on with the next file or socket of this number, and
        # take away what others wait for.
        self.reader.join(5)
        if not self.reader.is_alive():
            os.close(self.fd)

    def read(self):
        while True:
            try:
                more = os.read(self.fd, 65536)
            except OSError:
                return
            self.text += CONTROLS.sub(b" ", more)

    def wait(self, word, timeout_s=15):
        """Until the word was written; what came before is forgotten."""
        def look():
            return re.search(word.encode(), self.text[self.at:])
        try:
            found = wait_for(f"{word!r} on the screen", look, timeout_s)
        except Failed as failed:
            shown = self.text[self.at:].decode("utf-8", "replace")
            raise Failed(f"{failed}\n{shown[-1500:]}") from None
        self.at += found.end()

    def type(self, keys):
        self.at = len(self.text)
        os.write(self.fd, keys.encode())

    def wait_end(self, timeout_s=15):
        wait_for("the program ends",
                 lambda: self.process.poll() is not None, timeout_s)
