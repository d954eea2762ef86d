#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""header_checks, body_checks and their kin: the same rules and the same
messages, through Postfix and through us.

Messages are put together from a seed: parts in parts, attached messages,
digests, boundaries that end too early, lines of all lengths. Compared are the
reply to the end of data, and what a next hop gets: recipients and every octet
behind the Received fields.

Usage: postfix_content.py [--build dev|release] [--n messages] [--seed n]; root
and postfix needed. Exit status 0: all agree; 77: no postfix here, or not root.
"""
import argparse
import collections
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "scenario"))
sys.path.insert(0, os.path.join(ROOT, "tests", "interop"))
import frame  # noqa: E402
from postfix_policy import Postfix  # noqa: E402

RULES = {
    "header_checks": r"""
/^X-Reject:/ REJECT no such field
/^X-Reject-Dsn:/ REJECT 5.7.9 no such field
/^X-Ignore:/ IGNORE
/^X-Strip:/ STRIP gone
/^X-Replace: (.*)/ REPLACE X-Replaced: ${1}!
/^X-Prepend:/ PREPEND X-Before: 1
/^X-Redirect:/ REDIRECT other@sink.test
/^X-Bcc:/ BCC copy@sink.test
/^X-Discard:/ DISCARD
/^X-Pass:/ PASS
/^X-Fold: a\n/ REPLACE X-Unfolded: yes
/^X-Info:/ INFO seen
/^Content-Description: of the message/ REPLACE X-Never: 1
""",
    "mime_header_checks": r"""
/name="?evil\.exe/ REJECT attachment
/^Content-Description: drop/ IGNORE
/^Content-Description: of the message/ REPLACE Content-Description: mine
/^X-Part:/ PREPEND X-Part-Before: 1
/^X-Ignore:/ REPLACE X-Ignored: in a part
""",
    "nested_header_checks": r"""
/^X-Nested: drop/ IGNORE
/^Subject: secret/ REPLACE Subject: removed
/^X-Ignore:/ REPLACE X-Ignored: in a message
""",
    "body_checks": r"""
/^drop/ IGNORE
/^replace (.*)/ REPLACE with $1
/^prepend/ PREPEND before it
/reject me/ REJECT text of the body
/^--b.*--$/ INFO the end
/^hold/ WARN near
/^x{100,}$/ REPLACE many
/^X-Ignore:/ REPLACE this is no field
/far/ REPLACE near
/^redirect/ REDIRECT third@sink.test
/^pass/ PASS
/^discard/ DISCARD
""",
    "smtp_header_checks": r"""
/^X-Out: (.*)/ REPLACE X-Outgoing: $1
/^X-Secret:/ IGNORE
/^X-Reject-Out:/ REJECT means nothing
""",
    "smtp_mime_header_checks": r"""
/^Content-Disposition:/ PREPEND X-Out-Part: 1
""",
    "smtp_nested_header_checks": r"""
/^X-Out:/ STRIP nested
""",
    "smtp_body_checks": r"""
/^out (.*)/ REPLACE went $1
/^late/ IGNORE
""",
}
LIMIT = 1500
QUEUE_S = 60  # some hundreds of messages
LINES = ["hello", "drop this", "replace me", "prepend here", "hold it", "",
         "out and about", "late", "X-Ignore: yes", "--", "--b", "--b--",
         "--zz", ".", "..", ".drop", "x" * 150, "y" * 2047, "y" * 2048,
         "y" * 2048 + "drop", "y" * 5000, "y" * 4096 + "replace a piece",
         "near and far"]
RARE = ["reject me", "redirect", "pass", "discard"]
FIELDS = ["X-Ignore: 1", "X-Strip: 1", "X-Replace: a b", "X-Prepend: 1",
          "X-Fold: a\r\n\tb", "X-Info: 1", "X-Out: 5", "X-Secret: 1",
          "x-ignore : odd", "X-Part: 1", "X-Nested: drop", "Subject: secret",
          "Content-Description: drop", "Content-Disposition: inline",
          "Content-Description: of the message", "X-Reject-Out: 1",
          "X-Plain: \r\n folded\r\n\ttwice", "Content-Transfer-Encoding: 7bit"]
RARE_FIELDS = ["X-Reject: 1", "X-Reject-Dsn: 1", "X-Redirect: 1", "X-Bcc: 1",
               "X-Discard: 1", "X-Pass: 1"]


def body(rng, names):
    lines = [rng.choice(LINES) for _ in range(rng.randrange(8))]
    if rng.random() < 0.03:
        lines.append(rng.choice(RARE))
    if rng.random() < 0.1:
        lines += ["0123456789" * 10] * 20 + ["far behind", "late"]
    if names and rng.random() < 0.2:
        lines.insert(rng.randrange(len(lines) + 1),
                     f"--{rng.choice(names)}{rng.choice(['', '--', ' ', 'x'])}")
    return "".join(line + "\r\n" for line in lines)


def fields(rng):
    found = [rng.choice(FIELDS) for _ in range(rng.randrange(4))]
    if rng.random() < 0.03:
        found.append('Content-Disposition: attachment;\r\n filename="evil.exe"')
    return "".join(field + "\r\n" for field in found)


def entity(rng, depth, names):
    """The type's field, and what is behind the header."""
    kind = rng.random()
    if depth > 4 or kind < 0.4:
        return rng.choice(["", "Content-Type: text/plain\r\n",
                           "Content-type: TEXT/html; charset=x\r\n"]), \
            body(rng, names)
    if kind < 0.6:
        head, rest = entity(rng, depth + 1, names)
        end = "\r\n" if rng.random() < 0.95 else "no field\r\n"
        return rng.choice(["Content-Type: message/rfc822\r\n",
                           "Content-Type: Message/RFC822; name=x\r\n",
                           "Content-Type: message/partial; id=x\r\n"]), \
            fields(rng) + head + end + rest
    name = f"b{rng.randrange(1000)}"
    inner = names + [name]
    text = body(rng, inner)
    for _ in range(rng.randrange(4)):
        head, rest = entity(rng, depth + 1, inner)
        text += f"--{name}\r\n{fields(rng)}{head}\r\n{rest}"
    if rng.random() < 0.8:
        text += f"--{name}--\r\n"
    subtype = rng.choice(["mixed", "digest", "alternative", "MIXED"])
    form = rng.choice(['boundary="{}"', "boundary={}", 'charset=x;\r\n\tboundary="{}"',
                       "(a comment) ; boundary={} ; x=y"])
    return f"Content-Type: multipart/{subtype}; {form.format(name)}\r\n", \
        text + body(rng, names)


def around(n, rest):
    return (f"From: <a@there.test>\r\nTo: <b@sink.test>\r\nX-Id: {n}\r\n"
            "Date: Sat, 31 Jan 2026 09:08:07 +0100\r\n"
            f"Message-ID: <{n}@there.test>\r\n{rest}").encode()


def make(rng, n):
    head, rest = entity(rng, 0, [])
    extra = [rng.choice(FIELDS) for _ in range(rng.randrange(5))]
    if rng.random() < 0.1:
        extra.append(rng.choice(RARE_FIELDS))
    rng.shuffle(extra)
    return around(n, "".join(field + "\r\n" for field in extra) + head + "\r\n"
                  + rest)


def at_the_limit():
    """Bodies that just pass LIMIT, in each place that a body can be in."""
    mixed = "Content-Type: multipart/mixed; boundary=bb\r\n\r\n"
    digest = mixed.replace("mixed", "digest") + "--bb\r\n"
    places = ["\r\n", mixed + "--bb\r\n\r\n", mixed + "--bb\r\nx\r\n",
              mixed + "--bb--\r\n", digest + "x\r\n", digest + "\r\nx\r\n",
              "Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n"]
    found = [place + "\r\n" * n + "replace me\r\n" for place in places
             for n in range(LIMIT - 10, LIMIT + 1)]
    found += ["\r\n" + line * n + "replace me\r\n"
              for line in ("123456789\r\n", "replace 9\r\n")
              for n in range(LIMIT // 10 - 2, LIMIT // 9 + 2)]
    return found


def settings(directory):
    return "".join(f"{name} = pcre:{directory}/{name}\n" for name in RULES) + f"""
body_checks_size_limit = {LIMIT}
relay_domains = sink.test
mynetworks = 127.0.0.0/8
smtpd_error_sleep_time = 0
"""


def send(port, messages):
    replies = []
    with frame.Raw(port) as c:
        c.reply()
        c.say("EHLO test")
        for content in messages:
            c.say("RSET")
            frame.expect(c.say("MAIL FROM:<a@there.test>"), 250)
            frame.expect(c.say("RCPT TO:<b@sink.test>"), 250)
            frame.expect(c.say("DATA"), 354)
            c.send(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")
            code, text = c.reply()
            replies.append((code, "" if code == 250 else text))
    return replies


def in_queue(postfix):
    """Files of messages that Postfix works at; in the order that they go."""
    return [name for part in ("incoming", "active") for _, _, names in
            os.walk(os.path.join(postfix.directory, "queue", part))
            for name in names]


def received(sink):
    """Of each message: what came, and for whom."""
    found = collections.defaultdict(list)
    for _, recipients, content in list(sink.messages):
        content = re.sub(rb"(?m)^\.", b"", content)
        # Postfix writes fields of the obsolete form anew (RFC 5322 4.5).
        content = content.replace(b"\nx-ignore : odd", b"\nx-ignore: odd")
        number = re.search(rb"^X-Id: (\d+)", content, re.M)
        found[int(number[1])].append(
            (sorted(r.lower().split(" notify")[0].split(" orcpt")[0]
                    for r in recipients), frame.without_trace(content)))
    return {n: sorted(list_) for n, list_ in found.items()}


def show(n, ours, theirs, content):
    print(f"---- message {n}\n  postfix {theirs[0]}\n  ours    {ours[0]}")
    if theirs[1] != ours[1]:
        a, b = theirs[1] or [([], b"")], ours[1] or [([], b"")]
        print("  ", [x[0] for x in a], [x[0] for x in b])
        for x, y in zip(a[0][1].split(b"\r\n"), b[0][1].split(b"\r\n")):
            if x != y:
                print(f"  postfix {x[:100]}\n  ours    {y[:100]}")
                break
    with open(f"/tmp/postfix_content.{n}", "wb") as file:
        file.write(content)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="release")
    parser.add_argument("--n", type=int, default=400)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    if shutil.which("postfix") is None or os.geteuid() != 0:
        print("skipped: needs postfix, and root")
        return 77
    # What ends us early must not leave a Postfix behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    base = tempfile.mkdtemp(prefix="postfix-content-")
    os.chmod(base, 0o755)
    for name, text in RULES.items():
        with open(os.path.join(base, name), "w") as file:
            file.write(text.lstrip())
    rng = random.Random(options.seed)
    messages = [around(n, rest) for n, rest in enumerate(at_the_limit())]
    messages += [make(rng, n)
                 for n in range(len(messages), len(messages) + options.n)]
    port, bad = frame.free_port(), 0
    try:
        with frame.Sink() as theirs, frame.Sink() as ours:
            postfix = Postfix(
                os.path.join(base, "postfix"), port, settings(base)
                + f"relayhost = [127.0.0.1]:{theirs.port}\n"
                "smtp_line_length_limit = 0\nsmtp_tls_security_level = none\n",
                [("smtp", "unix", "-", "-", "-", "smtp"),
                 ("relay", "unix", "-", "-", "-", "smtp"),
                 ("retry", "unix", "-", "-", "-", "error")])
            lab = frame.Lab("postfix_content", 1, options.build, settings(base)
                            + "smtpd_client_connection_count_limit = 0\n")
            lab.route_to_sink(ours, "sink.test")
            started = postfix.run("start")
            frame.expect(started.returncode, 0, started.stderr)
            lab.start()
            frame.wait_for("postfix answers", lambda: frame.answers(port))
            a = send(port, messages)
            b = send(lab.mta1.ports["smtp"], messages)
            frame.wait_for("postfix has sent all",
                           lambda: not in_queue(postfix), QUEUE_S)
            lab.mta1.wait_queue_empty(QUEUE_S)
            left, right = received(theirs), received(ours)
            for n, content in enumerate(messages):
                one = (a[n], left.get(n, []))
                two = (b[n], right.get(n, []))
                if one != two:
                    bad += 1
                    if bad < 6:
                        show(n, two, one, content)
    finally:
        postfix.run("stop")
        frame.kill_all()
        shutil.rmtree(base, ignore_errors=True)
    kinds = collections.Counter(code for code, _ in a)
    print(f"seed {options.seed}: {len(messages)} messages {dict(kinds)}, "
          f"{sum(map(len, left.values()))} delivered, {bad} differ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
