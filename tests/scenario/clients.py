#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs of other people against ours."""

import email.message
import email.policy
import mailbox
import os
import re
import shutil
import smtplib
import socket
import subprocess

from frame import (PASSWORD, Failed, Skipped, expect, expect_match,
                   expect_true, main, message, need, scenario, wait_for,
                   without_trace)

USER1, USER2 = "user1@example1.local", "user2@example1.local"
USER3, USER4 = "user3@example2.local", "user4@example2.local"
TIMEOUT_S = 60


def run(*command, lab, check=True, **more):
    """Runs a client in an empty home; returns its output."""
    home = os.path.join(lab.directory, "home")
    os.makedirs(home, exist_ok=True)
    result = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=TIMEOUT_S, cwd=home,
        env=dict(os.environ, HOME=home, LC_ALL="C.UTF-8", TERM="vt100",
                 SSL_CERT_FILE=ca(lab.mta1)), **more)
    text = result.stdout.decode("utf-8", "replace")
    if check and result.returncode != 0:
        raise Failed(f"{' '.join(command)}\n    exit code "
                     f"{result.returncode}:\n{text[-3000:]}")
    return text


def need_localhost():
    """Some clients compare certificates with names alone."""
    try:
        socket.getaddrinfo("localhost", None)
    except OSError as error:
        raise Skipped(f"localhost: {error}: see /etc/hosts") from None


def need_terminal():
    try:
        for fd in os.openpty():
            os.close(fd)
    except OSError as error:
        raise Skipped(f"no terminals: {error}: see /dev/pts") from None


def ca(host):
    return os.path.join(host.state, "tls", "ca.pem")


def imap_ids(host, user, folder="INBOX"):
    """Message-IDs and flags of a folder, as imaplib reads them."""
    with host.imap(user) as client:
        if client.select(folder, readonly=True)[0] != "OK":
            return {}
        rows = client.fetch(
            "1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")[1]
    found = {}
    for row in rows:
        if isinstance(row, tuple):
            ident = re.search(rb"<(.+)>", row[1]).group(1).decode()
            found[ident] = row[0].decode()
    return found


def swaks(lab, *arguments, check=True):
    return run(need("swaks"), "--ehlo", "client.example", "--timeout", "15",
               *arguments, lab=lab, check=check)


@scenario
def swaks_submission_with_starttls(lab):
    for mechanism in ("PLAIN", "LOGIN"):
        text = swaks(lab, "--server", "127.0.0.1", "--port",
                     str(lab.mta1.ports["submission"]), "--tls",
                     "--tls-verify", "--tls-ca-path", ca(lab.mta1),
                     "--auth", mechanism, "--auth-user", USER1,
                     "--auth-password", PASSWORD, "--from", USER1, "--to",
                     USER3, "--header", f"Subject: swaks {mechanism}")
        expect_match(text, r"~> \.\n<~  250 2\.0\.0 .*queued as")


@scenario
def swaks_implicit_tls(lab):
    text = swaks(lab, "--server", "127.0.0.1", "--port",
                 str(lab.mta1.ports["submissions"]), "--tlsc", "--auth",
                 "PLAIN", "--auth-user", USER1, "--auth-password", PASSWORD,
                 "--from", USER1, "--to", USER3)
    expect_match(text, r"<~  250 2\.0\.0 .*queued as")


@scenario
def swaks_port_25_pipelined(lab):
    text = swaks(lab, "--server", "127.0.0.1", "--port",
                 str(lab.mta1.ports["smtp"]), "--pipeline", "--from",
                 "a@stranger.example", "--to", f"{USER1},{USER2}")
    expect_match(text, r"<-  250 2\.0\.0 .*queued as")
    text = swaks(lab, "--server", "127.0.0.1", "--port",
                 str(lab.mta1.ports["smtp"]), "--from", "a@stranger.example",
                 "--to", USER3, check=False)
    expect_match(text, r"<\*\* 554 5\.7\.1")


@scenario
def smtplib_sends_a_message_with_parts(lab):
    parts = email.message.EmailMessage()
    parts["From"], parts["To"] = USER1, USER3
    parts["Subject"] = "Grüße"
    parts["Message-ID"] = "<parts@test.example>"
    parts.set_content("Text: äöü\n.dot\n")
    parts.add_attachment(bytes(range(256)) * 100, maintype="application",
                         subtype="octet-stream", filename="blüte.bin")
    with smtplib.SMTP("127.0.0.1", lab.mta1.ports["submission"],
                      timeout=20) as client:
        client.starttls(context=lab.mta1.tls())
        client.login(USER1, PASSWORD)
        expect(client.send_message(parts), {})
    got = email.message_from_bytes(
        lab.mta2.wait_mail(USER3, "parts@test.example"),
        policy=email.policy.default)
    attachment = next(got.iter_attachments())
    expect(attachment.get_filename(), "blüte.bin")
    expect_true(attachment.get_content() == bytes(range(256)) * 100,
                "the attachment differs")


def curl(lab, *arguments):
    return run(need("curl"), "-sS", "--cacert", ca(lab.mta1),
               "--connect-timeout", "10", *arguments, lab=lab)


@scenario
def curl_reads_by_imap(lab):
    message_id, content = message("for curl", recipient=USER2)
    lab.mta1.submit(USER1, USER2, content)
    stored = lab.mta1.wait_mail(USER2, message_id)
    user = f"{USER2}:{PASSWORD}"
    for url in (f"imap://localhost:{lab.mta1.ports['imap']}",
                f"imaps://localhost:{lab.mta1.ports['imaps']}"):
        tls = ["--ssl-reqd", "-u", user]
        expect_match(curl(lab, *tls, url + "/"), r"\* LIST .*INBOX")
        expect_match(curl(lab, *tls, f"{url}/INBOX?SUBJECT%20curl"),
                     r"\* SEARCH \d+")
        uid = re.findall(r"\d+", curl(lab, *tls, "-X",
                                      "UID SEARCH SUBJECT curl",
                                      url + "/INBOX"))[-1]
        got = curl(lab, *tls, f"{url}/INBOX;UID={uid}")
        expect(got.encode(), stored, "curl's fetch")
        curl(lab, *tls, "-X", "CREATE Curl", url + "/")
        path = os.path.join(lab.directory, "upload.eml")
        _, upload = message("upload")
        with open(path, "wb") as file:
            file.write(upload)
        curl(lab, *tls, "-T", path, url + "/Curl")
        expect(len(lab.mta1.files(USER2, ".Curl")), 1, "uploaded")
        curl(lab, *tls, "-X", "DELETE Curl", url + "/")


@scenario
def curl_sends(lab):
    message_id, content = message("by curl")
    path = os.path.join(lab.directory, "mail.eml")
    with open(path, "wb") as file:
        file.write(content)
    for i, url in enumerate((
            f"smtp://localhost:{lab.mta1.ports['submission']}",
            f"smtps://localhost:{lab.mta1.ports['submissions']}")):
        curl(lab, "--ssl-reqd", "-u", f"{USER1}:{PASSWORD}", "--mail-from",
             USER1, "--mail-rcpt", USER3, "-T", path,
             url + "/client.example")
        got = lab.mta2.wait_mail(USER3, message_id, n=i + 1)
    expect(without_trace(got), content)


@scenario
def mbsync_two_ways(lab):
    """Folders, flags, new and deleted mail; a second run moves nothing."""
    program = need("mbsync")
    need_localhost()
    host = lab.mta1
    base = os.path.join(lab.directory, "mbsync")
    shutil.rmtree(base, ignore_errors=True)
    os.makedirs(base)
    rc = os.path.join(lab.directory, "mbsyncrc")
    with open(rc, "w") as file:
        file.write(f"""IMAPAccount a
Host localhost
Port {host.ports['imap']}
User {USER2}
Pass {PASSWORD}
SSLType STARTTLS
CertificateFile {ca(host)}

IMAPStore far
Account a

MaildirStore near
Path {base}/
Inbox {base}/INBOX
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
Remove Both
SyncState *
""")
    sent = []
    for i in range(5):
        message_id, content = message(f"sync {i}", recipient=USER2)
        sent.append(message_id)
        host.submit(USER1, USER2, content)
    host.wait_mail(USER2, sent[-1])
    host.wait_queue_empty()

    def sync():
        return run(program, "-V", "-c", rc, "-a", lab=lab)
    sync()
    local = mailbox.Maildir(os.path.join(base, "INBOX"), create=False)
    near = {m["Message-ID"].strip("<>"): key for key, m in local.items()}
    expect_true(set(sent) <= set(near), f"{sent} in {near}")
    expect_true(os.path.isdir(os.path.join(base, "Sent")), "folder Sent")

    # Both sides change; then both must be the same.
    item = local.get_message(near[sent[0]])
    item.add_flag("F")
    local[near[sent[0]]] = item
    item = local.get_message(near[sent[1]])
    item.add_flag("T")
    local[near[sent[1]]] = item
    added = mailbox.MaildirMessage(message("local")[1])
    added_id = added["Message-ID"].strip("<>")
    added.set_subdir("cur")
    local.add(added)
    with host.imap(USER2) as client:
        client.create("Work.2026")
        client.select("INBOX")
        number = client.search(None, "HEADER", "Message-ID",
                               sent[2])[1][0].decode()
        client.store(number, "+FLAGS", "(\\Answered)")
    sync()
    far = imap_ids(host, USER2)
    expect_true("\\Flagged" in far[sent[0]], "flag set here, not there")
    expect_true(sent[1] not in far, "deleted here, still there")
    expect_true(added_id in far, "added here, not there")
    local = mailbox.Maildir(os.path.join(base, "INBOX"), create=False)
    flags = {m["Message-ID"].strip("<>"): m.get_flags() for m in local}
    expect_true("R" in flags[sent[2]], "answered there, not here")
    expect(set(flags), set(far), "the same messages on both sides")

    before = snapshot(base), imap_ids(host, USER2)
    sync()
    expect((snapshot(base), imap_ids(host, USER2)), before,
           "a third run changed something")


def snapshot(base):
    """Names of all messages below a folder."""
    return sorted(os.path.join(path, name)
                  for path, _, names in os.walk(base) for name in names
                  if os.path.basename(path) in ("cur", "new"))


@scenario
def neomutt_reads_flags_copies_deletes(lab):
    program, script = need("neomutt"), need("script")
    need_localhost()
    need_terminal()
    host, user = lab.mta2, USER4
    ids = []
    for i in range(3):
        message_id, content = message(f"mutt-{i}", recipient=user,
                                      sender=USER3)
        host.submit(USER3, user, content)
        host.wait_mail(user, message_id)
        ids.append(message_id)
    rc = os.path.join(lab.directory, "neomuttrc")
    url = f"imaps://localhost:{host.ports['imaps']}/"
    with open(rc, "w") as file:
        file.write(f"""set folder = "{url}"
set spool_file = "+INBOX"
set imap_user = "{user}"
set imap_pass = "{PASSWORD}"
set imap_authenticators = "login"
set certificate_file = "{ca(host)}"
set ssl_verify_host = no
set mail_check = 0
set header_cache = ""
set record = ""
set sort = mailbox-order
set delete = yes
set move = no
set confirm_append = no
set confirm_create = no
set wait_key = no
set mark_old = no
set sleep_time = 0
push "<search>mutt-0<enter><flag-message>\
<search>mutt-1<enter><copy-message>=Sent<enter>\
<search>mutt-2<enter><delete-message><sync-mailbox><quit>"
""")
    try:
        run(script, "-qec", f"{program} -n -F {rc}",
            os.path.join(lab.directory, "neomutt.out"), lab=lab, check=False)
    except subprocess.TimeoutExpired:
        pass  # what counts is what is on the server
    wait_for("neomutt deleted one",
             lambda: len(imap_ids(host, user)) == 2, 5)
    far = imap_ids(host, user)
    expect(set(far), set(ids[:2]), "left in INBOX")
    expect_true("\\Flagged" in far[ids[0]], f"flags {far[ids[0]]}")
    expect_true(ids[1] in imap_ids(host, user, "Sent"), "copied to Sent")


@scenario
def doveadm_pw_makes_hashes_that_work(lab):
    """Row A34."""
    result = lab.mta1.ctl("pw", "-s", "SHA512-CRYPT", "-p", "sesame",
                          name="doveadm")
    expect(result.returncode, 0, result.stderr)
    line = result.stdout.strip()
    expect_match(line, r"^\{SHA512-CRYPT\}\$6\$[./0-9A-Za-z]+\$"
                 r"[./0-9A-Za-z]{86}$")
    lab.mta1.append("accounts.cf", f"pw@example1.local|{line}")

    def look():
        try:
            lab.mta1.imap("pw@example1.local", "sesame").logout()
            return True
        except Exception:  # not yet
            return False
    wait_for("the hash opens the door", look, 4)
    real = shutil.which("doveadm")
    if real:
        expect(subprocess.run([real, "pw", "-t", line, "-p", "sesame"],
                              capture_output=True).returncode, 0,
               "Dovecot's own doveadm")


if __name__ == "__main__":
    main(hosts=2)
