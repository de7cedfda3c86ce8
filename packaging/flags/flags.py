"""Compares the verbs and flags that files name with `packhouse VERB --help`.

flags.py PACKHOUSE FOLDER: reads all files under FOLDER, and docs/packaging.md. Exits with 1 if one names a
verb or a flag that the program does not have.
"""

import functools
import pathlib
import re
import subprocess
import sys

import yaml

program, folder = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
problems, found = [], set()


@functools.cache
def help_of(verb):
    run = subprocess.run([program, *verb, "--help"], capture_output=True, text=True, check=False)
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", run.stdout)) if run.returncode == 0 else None


VERBS = {verb for verb in re.findall(r"^  ([a-z]+) ", subprocess.run(
    [program, "--help"], capture_output=True, text=True, check=True).stdout, re.MULTILINE)}


def check(where, words):
    """The words behind `packhouse`: options of every verb, a verb, perhaps its subcommand, options."""
    words = [word for word in words if word]
    at = next((n for n, word in enumerate(words) if re.fullmatch(r"[a-z]+", word)), None)
    if at is None:
        return
    verb = (words[at],)
    if verb[0] not in VERBS:
        problems.append(f"{where}: packhouse has no verb {verb[0]}")
        return
    if len(words) > at + 1 and re.fullmatch(r"[a-z]+", words[at + 1]) and help_of((*verb, words[at + 1])) != help_of(verb):
        if help_of((*verb, words[at + 1])) is not None:
            verb = (*verb, words[at + 1])
    for word in words:
        flag = word.partition("=")[0]
        if flag.startswith("--"):
            found.add((*verb, flag))
            if flag not in help_of(verb):
                problems.append(f"{where}: packhouse {' '.join(verb)} has no flag {flag}")


def commands(node):
    """The argument lists of containers: `args` of Kubernetes, `command` of compose files."""
    if isinstance(node, dict):
        for name, value in node.items():
            packhouse = str(node.get("image", "")).startswith("packhouse")
            if name in ("args", "command") and packhouse and isinstance(value, list):
                yield value
            yield from commands(value)
    elif isinstance(node, list):
        for value in node:
            yield from commands(value)


files = [path for path in folder.rglob("*") if path.is_file()] + [folder.parent / "docs/packaging.md"]
for path in files:
    text, where = path.read_text(), path.relative_to(folder.parent)
    if path.suffix == ".py" or path.name == "check.sh" or path == folder / "proxy.sh":
        continue
    # A command line: up to the end of the line, or to what ends it in prose and in a shell.
    for line in re.findall(r"(?:^|[\s`(=]|/bin/)packhouse(?:-admin)? ((?:--[a-z]|[a-z]+\b(?! [a-z]{2,} [a-z]{2,})).*)$", text, re.MULTILINE):
        words = re.split(r"[`'\";|>)]|\s#", line)[0].split()
        if words and (words[0].startswith("--") or words[0] in VERBS):
            check(where, [word.rstrip(".,:") for word in words])
    for verb, options in re.findall(r"^#?([A-Z]+)_OPTIONS='(.*)'", text, re.MULTILINE):
        check(where, [verb.lower(), *options.split()])
    if path.suffix == ".yaml":
        for document in yaml.safe_load_all(text):
            for command in commands(document):
                check(where, command)

print(f"{len(found)} flags in {len(files)} files:", ", ".join(sorted(" ".join(words) for words in found)))
print("\n".join(problems), file=sys.stderr)
sys.exit(bool(problems) or len(found) < 10)
