"""What a benchmarked process is told and answers: one JSON object per line.

Python 3.10 and the standard library only: the peers run in environments of their own.
"""

import json
import sys
import time


def serve(build):
    """Answers the parent until it closes the pipe.

    Args:
        build: Called with a case (a dict) and returns a function and a number. The
            function does as many training steps, or draws as many batches of samples,
            waits until they are done, and returns of which kind they were, by a name.
    """
    answers = sys.stdout
    sys.stdout = sys.stderr  # what a library prints is not an answer
    do_steps, count = None, 1
    for line in sys.stdin:
        request = json.loads(line)
        if "case" in request:
            do_steps, count = build(request["case"])
            started = time.perf_counter()
            kinds = {do_steps(), do_steps()}  # traces, compiles, allocates
            answer = {
                "first_seconds": time.perf_counter() - started,
                "kinds": sorted(kinds),
            }
        else:
            answer = {"wall": {}, "cpu": {}}
            for _ in range(-(-request["steps"] // count)):
                wall, cpu = time.perf_counter(), time.process_time()
                kind = do_steps()
                seconds = {
                    "wall": (time.perf_counter() - wall) / count,
                    "cpu": (time.process_time() - cpu) / count,
                }
                for clock, value in seconds.items():
                    answer[clock].setdefault(kind, []).append(value)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
