"""What a benchmarked process is told and answers: one JSON object per line.

Python 3.10 and the standard library only: the peers run in environments of their own.
"""

import json
import sys
import time


def serve(build):
    """Answers the parent until it closes the pipe.

    Args:
        build: Called with a case (a dict) and returns a function that does one training
            step, or draws one batch of samples, waits until it is done, and returns
            which kind of step it was, by a name.
    """
    answers = sys.stdout
    sys.stdout = sys.stderr  # whatever a library prints is no answer
    step = None
    for line in sys.stdin:
        request = json.loads(line)
        if "case" in request:
            step = build(request["case"])
            started = time.perf_counter()
            kinds = {step(), step()}  # traces, compiles, allocates
            answer = {
                "first_seconds": time.perf_counter() - started,
                "kinds": sorted(kinds),
            }
        else:
            answer = {"wall": {}, "cpu": {}}
            for _ in range(request["steps"]):
                wall, cpu = time.perf_counter(), time.process_time()
                kind = step()
                seconds = {
                    "wall": time.perf_counter() - wall,
                    "cpu": time.process_time() - cpu,
                }
                for clock, value in seconds.items():
                    answer[clock].setdefault(kind, []).append(value)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
