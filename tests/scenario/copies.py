#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Two copies of each role that can have several: in, out, front, store."""

import collections
import threading

from frame import (deliver, expect, expect_true, main, message, new_id,
                   scenario)

USERS = ("user1@example1.local", "user2@example1.local")
COPIES = {f"ESTAFETA_COPIES_{role}": "2"
          for role in ("IN", "OUT", "FRONT", "STORE")}
SENDERS = 8
EACH = 15


@scenario
def there_are_two_of_each(lab):
    roles = collections.Counter(lab.mta1.processes().values())
    for role in ("mta/in", "mta/out", "mda/front", "mda/store"):
        expect(roles[role], 2, role)
    for role in ("mta/queue", "mda/auth", "router/router"):
        expect(roles[role], 1, role)


@scenario
def mail_of_many_at_once_arrives_once(lab):
    sent = {user: [] for user in USERS}

    def send(i):
        with lab.mta1.smtp() as client:
            client.ehlo()
            for k in range(EACH):
                user = USERS[(i + k) % 2]
                identity, content = message(f"copies {i} {k}",
                                            recipient=user)
                deliver(client, "a@stranger.example", user, content)
                sent[user].append(identity)

    threads = [threading.Thread(target=send, args=(i,))
               for i in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect(sum(map(len, sent.values())), SENDERS * EACH, "all were sent")
    lab.mta1.wait_queue_empty()
    for user, identities in sent.items():
        expect(len(lab.mta1.files(user)), len(identities), user)
        for identity in identities:
            lab.mta1.wait_mail(user, identity)


@scenario
def every_front_shows_the_same_mailbox(lab):
    """Connections fall on either front; one store owns the user."""
    first = lab.mta1.imap(USERS[0])
    first.select("INBOX")
    flag = f"copies{new_id()[:8].translate(str.maketrans('', '', '<>@.-'))}"
    expect(first.uid("STORE", "1:3", "+FLAGS.SILENT", f"({flag})")[0], "OK",
           "STORE")
    for _ in range(8):
        other = lab.mta1.imap(USERS[0])
        other.select("INBOX", readonly=True)
        found = other.uid("SEARCH", "KEYWORD", flag)[1][0].split()
        expect_true(len(found) == 3, f"found {found}")
        other.logout()
    first.logout()


if __name__ == "__main__":
    main(environment=COPIES)
