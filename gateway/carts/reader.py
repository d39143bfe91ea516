"""A process of its own in which files are looked into: what hangs, eats memory or dies there harms nobody else.

Lines of JSON on the standard input (`{"path", "name"}`), one line for each on the standard output: `{"ecg"}` with the
description, `{"refused": {"code", "about"}}`, or `{"unavailable"}` where the disk did not give it. It ends with its
input, or when nobody asked for a while.
"""

import json
import os
import resource
import select
import signal
import sys
from pathlib import Path
from typing import Any

from adapters.ecg.description import describe
from adapters.ecg.errors import NotAnEcg
from adapters.ecg.reading import read_recording
from adapters.errors import Malformed

# Address space: a mapped recording of a day and what reading it takes; a file that claims more is no ECG.
MEMORY_BYTES = 3 << 30
IDLE_S = 3600.0  # starting costs seconds, and the next may be chest pain
ABANDONED_S = 180  # whoever asked was killed meanwhile: SIGALRM ends what nobody waits for
# It stands in the head of a journal's record, beside the rest of the origin.
DESCRIPTION_BYTES = 40 << 10
MOST_STATEMENTS, LONGEST_STATEMENT = 60, 200


def main() -> None:
    """Answer until the input ends. Nothing that a library prints reaches the answers."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    while select.select([sys.stdin], [], [], IDLE_S)[0] and (line := sys.stdin.readline()):
        signal.alarm(ABANDONED_S)
        asked = json.loads(line)
        answers.write(json.dumps(answer(Path(asked["path"]), asked["name"])) + "\n")
        answers.flush()
        signal.alarm(0)


def answer(path: Path, name: str) -> dict[str, Any]:
    """What the file is, or why it is nothing for us."""
    try:
        return {"ecg": shortened(describe(read_recording(path, name=name)))}
    except NotAnEcg as error:
        return {"refused": {"code": error.code, "about": error.about}}
    except Malformed as error:
        return {"refused": {"code": "damaged", "about": str(error)}}
    except OSError as error:  # of the disk, not of the file
        return {"unavailable": error.strerror or type(error).__name__}
    except MemoryError:
        return {"refused": {"code": "too_large", "about": ""}}


def shortened(description: dict[str, Any]) -> dict[str, Any]:
    """With fewer words of the cart where they are too many: all of them stand in the original."""
    if len(json.dumps(description)) <= DESCRIPTION_BYTES:
        return description
    statements = [line[:LONGEST_STATEMENT] for line in description["statements"][:MOST_STATEMENTS]]
    cut = {**description, "statements": statements}
    if len(json.dumps(cut)) > DESCRIPTION_BYTES:
        raise NotAnEcg("damaged", "more text than samples")
    return cut


if __name__ == "__main__":
    main()
