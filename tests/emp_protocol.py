"""What must come out of an EMP wrapper, frame by frame, from the contract in its header comments."""

import numpy as np
from wrapped_designs import GRAPH, PIPELINE

from bittrigger.ir.ports import input_fields
from bittrigger.patterns import idle_frames
from bittrigger.patterns.design import expected_words


class Gather:
    """The protocol of bittrigger_emp_gather, one frame at a time."""

    def __init__(self, need):
        self.need, self.words, self.orbit = need, None, False

    def step(self, row):
        """The words of an event that is complete with this frame, or None; and whether the frame breaks the rules."""
        strobe, valid, start, last = (row[name] for name in ("strobe", "valid", "start", "last"))
        if not strobe.any():
            return None, False
        if any(len(set(flag.tolist())) > 1 for flag in (strobe, valid, start, last)):
            wrong = self.words is not None or bool(valid.any())
            self.words = None
            return None, wrong
        wrong = self.words is not None and bool(not valid[0] or start[0])
        if valid[0] and start[0]:
            self.words, self.orbit = [], bool(row["start_of_orbit"].any())
        elif wrong:
            self.words = None
        return self._collect(row["data"].tolist(), bool(last[0]), wrong)

    def _collect(self, data, last, wrong):
        if self.words is None:
            return None, wrong
        self.words.append(data)
        if len(self.words) < self.need and not last:
            return None, wrong
        words, self.words = self.words, None
        return (words, wrong) if len(words) == self.need else (None, True)


def contract(board, payload):
    """The frames that must come out, and the frames in which each error must be high."""
    count, give, gather = len(board.frames), payload.outputs.words, Gather(payload.inputs.words)
    results, errors = {}, []
    for frame, row in enumerate(board.frames):
        words, wrong = gather.step(row)
        if words is not None:
            results[frame + 2 + PIPELINE.latency_cycles] = (words, gather.orbit)
        if wrong and frame + 1 < count:
            errors.append(frame + 1)
    out, overruns, free = idle_frames(count, payload.outputs.links), [], 0
    for frame, (words, orbit) in results.items():
        if frame < free:
            overruns.append(frame)
            continue
        free = frame + give
        expected = outputs_of(np.array([words], dtype=np.uint64).transpose(0, 2, 1), payload)[0].T
        for k in range(min(give, count - frame)):
            out[frame + k] = [(int(word), orbit and k == 0, k == 0, k == give - 1, True, True) for word in expected[k]]
    return out, tuple(errors), tuple(k for k in overruns if k < count)


def outputs_of(words, payload):
    """The output words for input words `(events, links, words)`."""
    from bittrigger.ir.ports import unpack
    from bittrigger.patterns import from_words

    return expected_words(GRAPH, unpack(from_words(words, payload.inputs), input_fields(GRAPH)), payload)
