#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Flat maps: the same files and keys, asked of Postfix and of us.

Writes random tables out of the pieces that the format gives meaning to (quotes,
backslashes, blanks, continuations, comments, CRLF, a missing last newline),
asks `postmap -q - texthash:FILE` and tests/interop/table_lookup.c for the same
keys, and compares. Duplicate keys are not made: there we differ on purpose
(Postfix defers all mail). Nor is CR inside a continued line, which Postfix keeps
in the value, and which we take for the end of the line.

Usage: postmap_vectors.py [SEED [TABLES]]; needs postmap and cc. Exit status 0:
all agree; 1: a difference, shown; 77: no postmap here.
"""
import os
import random
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
SOURCES = """lib/base/arena.c lib/base/buf.c lib/base/check.c lib/base/diag.c
lib/base/map.c lib/base/str.c lib/mail/cflines.c lib/mail/cidr.c router/map/table.c
router/map/rules.c router/map/remote.c router/map/posix_pattern.c
tests/interop/table_lookup.c""".split()
WORDS = ["user", "User", "a.b", "x+tag", "@dom.test", ".dom.test", "*", "info",
         "EXAMPLE2.local", '"a b"@x', '"c\\"d"@x', "back\\ slash", "k:",
         "#no", "u#v", '"open', "a,b", "it's", "[x]", "=", "\\", "tail\\"]
VALUES = ["smtp:[mta2]:25", "a, b c", ":", "error:5.7.1 no # really", "v",
          '"q', "x\\", "smtp:", "Upper", "a  b\tc"]
BLANKS = [" ", "\t", "  ", " \t ", "\v", "\f"]


def entry(rnd, number):
    """One logical line, as physical lines without their ends."""
    key = rnd.choice(WORDS) + (str(number) if rnd.random() < 0.8 else "")
    shape = rnd.random()
    blank = rnd.choice(BLANKS)
    value = rnd.choice(VALUES)
    if shape < 0.55:
        return key, [key + blank + value + rnd.choice(["", " ", "\t"])]
    if shape < 0.65:
        return key, [key, blank + value]
    if shape < 0.75:
        return key, [key + blank + value, "", "# between", blank + "more"]
    if shape < 0.82:
        return key, [key]
    if shape < 0.88:
        return key, ["# comment", "  # another", "", key + blank + value]
    return key, [key + blank + value, blank + rnd.choice(VALUES)]


def make_table(rnd):
    seen, lines, keys = set(), [], []
    for number in range(rnd.randrange(1, 9)):
        key, physical = entry(rnd, number)
        if key.lower() in seen:
            continue
        seen.add(key.lower())
        keys.append(key)
        lines.append(physical)
    is_simple = all(len(physical) == 1 for physical in lines)
    end = "\r\n" if is_simple and rnd.random() < 0.3 else "\n"
    text = end.join(line for physical in lines for line in physical)
    if rnd.random() < 0.7:
        text += end
    questions = []
    for key in keys:
        questions += [key, key.upper(), key.swapcase(), key.split()[0],
                      key.strip('"\\'), key + "x"]
    questions = [q for q in questions if q and "\n" not in q]
    return text.encode(), list(dict.fromkeys(questions))


def build(directory):
    program = os.path.join(directory, "table_lookup")
    subprocess.run([*os.environ.get("CC", "cc").split(), "-std=gnu11", "-D_GNU_SOURCE",
                    "-I.", "-O1", "-o", program] + SOURCES + ["-lpcre2-8"], cwd=ROOT,
                   check=True)
    return program


def ask_postmap(path, questions):
    """postmap -q - prints "key<TAB>value" for each key that it finds."""
    out = subprocess.run(["postmap", "-q", "-", "texthash:" + path],
                         input="\n".join(questions).encode() + b"\n",
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                         check=False).stdout
    found = {}
    for line in out.decode().split("\n"):
        key, tab, value = line.partition("\t")
        if tab:
            found[key] = value
    return ["=" + found[q] if q in found else "-" for q in questions]


def ask_ours(program, path, questions):
    out = subprocess.run([program, path],
                         input="\n".join(questions).encode() + b"\n",
                         stdout=subprocess.PIPE, check=True).stdout
    return out.decode().split("\n")[:-1]


def main():
    if shutil.which("postmap") is None:
        print("postmap is not installed: skipped")
        return 77
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else random.randrange(1 << 32)
    tables = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    rnd = random.Random(seed)
    n_hits = n_misses = n_bad = 0
    with tempfile.TemporaryDirectory() as directory:
        program = build(directory)
        path = os.path.join(directory, "table")
        for _ in range(tables):
            text, questions = make_table(rnd)
            with open(path, "wb") as file:
                file.write(text)
            # A file younger than this is read again and again by Postfix.
            os.utime(path, (1000000000, 1000000000))
            theirs = ask_postmap(path, questions)
            ours = ask_ours(program, path, questions)
            n_hits += sum(answer != "-" for answer in theirs)
            n_misses += theirs.count("-")
            for question, want, got in zip(questions, theirs, ours):
                if want != got:
                    n_bad += 1
                    print("table %r key %r: postmap %r, ours %r" % (
                        text, question, want, got))
    print("seed %d: %d tables, %d found, %d not found, %d differ" % (
        seed, tables, n_hits, n_misses, n_bad))
    return 1 if n_bad or n_hits == 0 or n_misses == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
