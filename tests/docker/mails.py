# SPDX-License-Identifier: MIT
"""The mails that housework.js finds in its INBOX, and what it must see."""

import base64
import collections
import email.message
import unicodedata

SEARCH = "ANNA"  # in From: or Subject:
# The smallest picture: 1 x 1.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA"
    "60e6kgAAAABJRU5ErkJggg==")

Mail = collections.namedtuple(
    "Mail", "subject sender to cc hour n_octets flags priority parent")
# In the order of their arrival; each column says another order. The thread's
# have come first.
MAILS = (
    Mail("cherry", "Zoe", "Max", "rita", 1, 3000, r"\Seen", None, None),
    Mail("Birne", "anna", "Udo", "karl", 3, 100, r"\Seen \Answered", None,
         "Dattel"),
    Mail("Dattel", "Ümit", "bob", "paul", 2, 9000, r"\Seen", None, "cherry"),
    Mail("apfel", "Vera", "Ärmel", "zora", 7, 5000, r"\Flagged", "1", None),
    Mail("Édelkäse", "tom", "Lena", "anton", 5, 300, "", None, None),
    Mail("picture", "Annabel", "otto", "moni", 6, 1000, r"\Seen", None,
         None),
    Mail("Übung", "mia", "ZZ", "ben", 4, 7000, r"\Seen \Flagged", "5", None),
)
# What Roundcube says to a server that offers much, and little
# (fallbacks.php); regular expressions.
BOTH = (
    "AUTHENTICATE PLAIN", r"ID \(\"name\" \"Roundcube\"", "LOGOUT", "SELECT ",
    r"STATUS \S+ \(MESSAGES UNSEEN\)", r"APPEND Drafts \(\\Seen\) \{",
    "CREATE foldertest", "DELETE foldertest", "CREATE \"B&APw-cher ",
    "RENAME ", "SUBSCRIBE ", "UNSUBSCRIBE ",
    r"UID FETCH \S+ \(UID RFC822.SIZE FLAGS INTERNALDATE "
    r"BODY.PEEK\[HEADER.FIELDS \(DATE FROM ", "UID FETCH .*BODYSTRUCTURE",
    r"UID FETCH \d+ \(BODY.PEEK\[1\]", r"UID FETCH \d+ \(BODY.PEEK\[\]",
    "UID SORT .SUBJECT. US-ASCII ALL", "UID SORT .CC. US-ASCII ALL",
    "UID SORT .* UNSEEN", "UID SORT .* OR OR OR HEADER Content-Type ",
    "UID SORT .* HEADER X-PRIORITY 1", "UID SORT .* SUBJECT ANNA HEADER FROM",
    "UID SORT .* BEFORE .* SUBJECT ANNA", r"UID STORE \d+ .FLAGS.SILENT .\\Seen",
    r"UID STORE \d+ -FLAGS.SILENT .\\Flagged",
    r"UID STORE \d+ \+FLAGS.SILENT .\\Deleted", "UID STORE .* .Junk",
    "UID STORE .* .NonJunk", r"UID COPY \d+ \"B&APw-cher ",
)
MUCH = BOTH + (
    "ENABLE QRESYNC", r"UID FETCH .*CHANGEDSINCE \d+ VANISHED", "NAMESPACE",
    r"LIST \(SUBSCRIBED\) \"\" \"\*\"",
    r"LIST \(SPECIAL-USE\) \"\" \"\*\" RETURN \(SUBSCRIBED\)", "GETQUOTAROOT ",
    r"STATUS INBOX \(SIZE MESSAGES UNSEEN\)", "UID SORT .DISPLAYFROM.",
    "UID SORT .DISPLAYTO.", "UID THREAD REFS US-ASCII ALL",
    r"UID FETCH \d+ \(BINARY.PEEK\[2\]", r"UID EXPUNGE \d+",
    r"UID MOVE \d+ Junk", r"APPEND Sent \(\\Seen\) \{\d+\+\}",
)
LITTLE = BOTH + (
    r"LIST \"\" \"\"", r"LSUB \"\" \"\*\"", "UID SORT .FROM.", "UID SORT .TO.",
    "UID THREAD REFERENCES US-ASCII ALL", "EXPUNGE", r"UID COPY \d+ Junk",
    r"UID FETCH \d+ \(BODY.PEEK\[2\]", r"APPEND Sent \(\\Seen\) \{\d+\}",
)
# What columns are sorted by: names as people see them (RFC 5957), addresses
# otherwise.
KEYS = {
    "subject": lambda mail: folded(mail.subject),
    "from": lambda mail: folded(mail.sender),
    "to": lambda mail: folded(mail.to),
    "cc": lambda mail: mail.cc,
    "date": lambda mail: mail.hour,
    "size": lambda mail: mail.n_octets,
    "arrival": MAILS.index,
}


def folded(text):
    """As i;unicode-casemap compares (RFC 5051)."""
    return unicodedata.normalize("NFKD", text.title()).encode()


def content_of(mail):
    content = email.message.EmailMessage()
    content["From"] = f'"{mail.sender}" <x{mail.hour}@example1.local>'
    content["To"] = f'"{mail.to}" <y{mail.hour}@example1.local>'
    content["Cc"] = f"{mail.cc}@example1.local"
    content["Subject"] = mail.subject
    content["Date"] = f"Sat, 31 Jan 2026 {mail.hour:02}:00:00 +0100"
    content["Message-ID"] = f"<house{mail.hour}@example1.local>"
    if mail.priority:
        content["X-Priority"] = mail.priority
    if mail.parent:
        parent = next(m for m in MAILS if m.subject == mail.parent)
        content["References"] = f"<house{parent.hour}@example1.local>"
    content.set_content("x" * 60 + "\n" + "words and words\n"
                        * (mail.n_octets // 16))
    if mail.subject == "picture":
        content.add_attachment(PNG, maintype="image", subtype="png",
                               filename="röslein.png")
    return content.as_bytes().replace(b"\n", b"\r\n")


def subjects(mails):
    return [mail.subject for mail in mails]


def fill(client):
    """Puts them into the INBOX of an imaplib client."""
    for number, mail in enumerate(MAILS):
        client.append("INBOX", f"({mail.flags})",
                      f'"31-Jan-2026 10:{number:02}:00 +0100"',
                      content_of(mail))


def expectations(user, has_little):
    """Roundcube's user; has the server SORT=DISPLAY and THREAD=REFS?"""
    keys = dict(KEYS)
    if has_little:
        # The local parts of From: and To:.
        keys["from"] = keys["to"] = KEYS["date"]
    # THREAD=REFS is in the order of what has arrived; otherwise Roundcube
    # sorts by the date of each thread's first.
    threads = sorted(MAILS[3:], key=KEYS["date" if has_little
                                         else "arrival"])
    return {
        "user": user,
        "subjects": subjects(MAILS),
        "sorted": {column: subjects(sorted(MAILS, key=key))
                   for column, key in keys.items()},
        "search": {"words": SEARCH, "found": subjects(
            sorted((m for m in MAILS if SEARCH.lower() in m.sender.lower()),
                   key=KEYS["subject"]))},
        "threaded": ["cherry", "Dattel", "Birne", *subjects(threads)],
        "depths": [0] * (len(MAILS) - 2) + [1, 2],
        "filters": {
            "UNSEEN": subjects(m for m in MAILS if "Seen" not in m.flags),
            "FLAGGED": subjects(m for m in MAILS if "Flagged" in m.flags),
            "UNANSWERED": subjects(m for m in MAILS
                                   if "Answered" not in m.flags),
            "OR OR OR HEADER Content-Type": ["picture"],
            "HEADER X-PRIORITY 1": ["apfel"],
            "HEADER X-PRIORITY 5": ["Übung"],
        },
        "withPicture": "picture",
        "pictureSource": "Content-Type: image/png",
    }
