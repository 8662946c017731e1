"""Wrappers in Verilator: every bit, every cycle, every fault that links and streams can have; and proof that it can fail."""

from dataclasses import replace

import numpy as np
import pytest
from emp_protocol import contract
from wrapped_designs import AXIS, EMP, GRAPH, PIPELINE, axis, emp, payload_of, play

from bittrigger.emit.wrappers import axis_latency_cycles, axis_streams, to_beats
from bittrigger.errors import MismatchError, ToolError
from bittrigger.ir.graph import evaluate
from bittrigger.ir.ports import input_fields, output_fields, pack
from bittrigger.patterns import FRAME, Board, ChannelSpec, Format, idle_frames, pack_events, parse, render
from bittrigger.patterns.design import check_boards, input_words, make_boards
from bittrigger.simulate.vectors import random_codes
from bittrigger.simulate.wrapper import Beat, Traffic, play_boards, stream_beats

# EMP


def check(captures, boards, payload):
    for capture, board in zip(captures, boards, strict=True):
        frames, errors, overruns = contract(board, payload)
        wrong = np.argwhere(capture.board.frames != frames)
        assert not wrong.size, f"frame {wrong[0][0]}: {capture.board.frames[wrong[0][0]]}, due {frames[wrong[0][0]]}"
        assert capture.packet_error == errors
        assert capture.overrun == overruns


def scattered(payload, events, rng, *, least, strobe=1.0, longer=0):
    """Packets at random distances, each orbit flag and each pause of the strobe at random."""
    codes = random_codes(GRAPH, events, int(rng.integers(1 << 30)))
    words = input_words(GRAPH, codes, payload)
    rows = [idle_frames(3, payload.inputs.links)]
    for event in words:
        length = payload.inputs.words + int(rng.integers(0, longer + 1))
        packet = idle_frames(length, payload.inputs.links)
        packet["data"] = rng.integers(0, 2**64, packet.shape, dtype=np.uint64)
        packet["data"][: payload.inputs.words] = event.T
        packet["valid"] = True
        packet["start"][0], packet["last"][-1] = True, True
        packet["start_of_orbit"][0] = rng.random() < 0.3
        for k in np.flatnonzero(rng.random(length) >= strobe)[::-1]:
            packet = np.insert(packet, k, packet[k], axis=0)
            packet["strobe"][k] = False
        gap = max(0, least - payload.inputs.words) + int(rng.choice([0, 0, 1, 2, 7]))
        rows += [packet, idle_frames(gap, payload.inputs.links)]
    tail = idle_frames(payload.latency_cycles + payload.outputs.words, payload.inputs.links)
    return codes, Board("scattered", tuple(range(payload.inputs.links)), np.concatenate([*rows, tail]))


@pytest.mark.parametrize("name", EMP)
def test_packets_at_any_tmux_give_the_oracle_after_the_latency(workshop, name):
    payload = payload_of(name)
    cases, boards = [], []
    for tmux, gap, offset in ((1, 0, 0), (1, 4, 5), (6, 6, 0), (6, 0, 3), (18, 0, 1)):
        spec = ChannelSpec(tmux, gap, offset)
        codes = random_codes(GRAPH, 4, tmux + gap)
        inputs, outputs = make_boards(GRAPH, codes, replace(payload, spec=spec), max_frames=400)
        cases += [(codes, spec, inputs, outputs)]
        boards += inputs
    captures = play(workshop, name, *boards)
    check(captures, boards, payload)
    found = iter(capture.board for capture in captures)
    for codes, spec, inputs, outputs in cases:
        mine = [next(found) for _ in inputs]
        assert [board.frames.tolist() for board in mine] == [board.frames.tolist() for board in outputs]
        names = [str(k) for k in range(len(mine))]
        assert check_boards(GRAPH, codes, mine, names, replace(payload, spec=spec)) == 4


@pytest.mark.parametrize("name", EMP)
def test_gaps_orbits_strobes_and_padding(workshop, name):
    payload, rng = payload_of(name), np.random.default_rng(3)
    least = max(payload.inputs.words, payload.outputs.words)
    boards = [
        scattered(payload, 40, rng, least=least)[1],
        scattered(payload, 40, rng, least=least, strobe=0.6)[1],
        scattered(payload, 40, rng, least=least, longer=4)[1],
    ]
    captures = play(workshop, name, *boards)
    check(captures, boards, payload)
    assert all(int(capture.board.frames["start"][:, 0].sum()) == 40 for capture in captures)
    assert not any(capture.packet_error or capture.overrun for capture in captures)


@pytest.mark.parametrize("name", EMP)
def test_any_flags_do_what_the_contract_says(workshop, name):
    payload, rng = payload_of(name), np.random.default_rng(4)
    boards = []
    for flips in (0.01, 0.05, 0.3):
        _, board = scattered(payload, 60, rng, least=0, strobe=0.9, longer=1)
        frames = board.frames.copy()
        for flag in ("valid", "start", "last", "strobe", "start_of_orbit"):
            frames[flag] ^= rng.random((len(frames), 1)) < flips
            frames[flag] ^= rng.random(frames.shape) < flips / 10
        boards.append(Board("faults", board.links, frames))
    captures = play(workshop, name, *boards)
    check(captures, boards, payload)
    assert all(capture.packet_error for capture in captures)


def test_a_reset_forgets_what_is_under_way(workshop):
    payload, rng = payload_of("1 link"), np.random.default_rng(8)
    _, board = scattered(payload, 20, rng, least=0)
    cut = [Board("cut", board.links, board.frames[:length].copy()) for length in range(20, 32)]
    boards = [part for first in cut for part in (first, board)]
    check(play(workshop, "1 link", *boards), boards, payload)
    change = ("bittrigger_emp_gather", "            collecting <= 1'b0;\n", "")
    captures = play_boards(emp(workshop, "1 link", change, tag=" no reset"), boards, 1)
    with pytest.raises(AssertionError):
        check(captures, boards, payload)


def test_packets_that_come_too_fast_are_dropped_whole(workshop):
    payload = payload_of("uneven")
    _, board = scattered(payload, 50, np.random.default_rng(5), least=0)
    (capture,) = play(workshop, "uneven", board)
    check([capture], [board], payload)
    assert capture.overrun
    starts, lasts = (int(capture.board.frames[flag][:, 0].sum()) for flag in ("start", "last"))
    assert starts == lasts == 50 - len(capture.overrun)


@pytest.mark.parametrize(
    ("stem", "old", "new"),
    [
        ("bittrigger_emp_gather", "word == FINAL;", "word == FINAL - INDEX_BITS'(1);"),
        ("bittrigger_emp_gather", "wire frame = |d_strobe;", "wire frame = 1'b1;"),
        ("bittrigger_emp_gather", "taken && last && word != FINAL", "1'b0"),
        ("bittrigger_emp_send", "q_last <= left == LEFT_BITS'(1);", "q_last <= left == LEFT_BITS'(0);"),
        ("example_emp", f".CYCLES({PIPELINE.latency_cycles})", f".CYCLES({PIPELINE.latency_cycles + 5})"),
    ],
)
def test_a_broken_emp_wrapper_is_found(workshop, stem, old, new):
    payload, rng = payload_of("1 link"), np.random.default_rng(6)
    _, board = scattered(payload, 60, rng, least=5, strobe=0.8)
    frames = board.frames.copy()
    for flag in ("valid", "start", "last"):
        frames[flag] ^= rng.random((len(frames), 1)) < 0.03
    broken = emp(workshop, "1 link", (stem, old, new), tag=f" {stem} {old[:20]!r}".replace("/", ""))
    boards = [Board("faults", board.links, frames)]
    captures = play_boards(broken, boards, 1)
    with pytest.raises(AssertionError):
        check(captures, boards, payload)


def test_a_slower_wrapper_is_found_by_its_files(workshop):
    payload = payload_of("1 link")
    codes = random_codes(GRAPH, 5, 1)
    (inputs,), (outputs,) = make_boards(GRAPH, codes, payload)
    broken = emp(
        workshop, "1 link", ("bittrigger_emp_gather", "{d_data, event_data[", "{~d_data, event_data["), tag=" inverted"
    )
    (capture,) = play_boards(broken, [inputs], 1)
    with pytest.raises(MismatchError, match=r"^out.txt: event 0, output dense_1\[\d\], frame 11, link 0: oracle gives"):
        check_boards(GRAPH, codes, [capture.board], ["out.txt"], payload)
    assert (capture.board.frames["start"] == outputs.frames["start"]).all()


def test_recorded_frames_are_those_of_the_format(workshop):
    payload = payload_of("5 links")
    words = input_words(GRAPH, random_codes(GRAPH, 2, 1), payload)
    (capture,) = play(workshop, "5 links", *pack_events(words, payload.spec, max_frames=40))
    assert capture.board.frames.dtype == FRAME
    assert parse(render(capture.board, Format.EMPV2)) == capture.board


# AXI4-Stream


def beats_of(words, stream, user=()):
    """Beats of packed ``words`` `(events, bytes)`."""
    full, last = (1 << stream.beat_bytes) - 1, (1 << stream.last_bytes) - 1
    beats = []
    for event, rows in enumerate(to_beats(words, stream)):
        for k, row in enumerate(rows):
            final = k == stream.beats - 1
            beats.append(Beat(int.from_bytes(row.tobytes(), "little"), last if final else full, final, event in user))
    return beats


def axis_case(name, events, seed):
    inputs, outputs = axis_streams(PIPELINE, AXIS[name])
    codes = random_codes(GRAPH, events, seed)
    results = pack(evaluate(GRAPH, codes), output_fields(GRAPH))
    return beats_of(pack(codes, input_fields(GRAPH)), inputs), beats_of(results, outputs), inputs, outputs


TRAFFIC = (Traffic(0, 0), Traffic(0.3, 0.5, 2), Traffic(0, 0.9, 3), Traffic(0.9, 0, 4), Traffic(0.5, 0.1, 5))


@pytest.mark.parametrize("name", AXIS)
def test_every_event_comes_out_whatever_waits(workshop, name):
    sent, wanted, inputs, outputs = axis_case(name, 80, 1)
    found = stream_beats(axis(workshop, name), sent, TRAFFIC)
    assert all(list(run.beats) == wanted for run in found)
    assert found[2].full_cycles > 0  # the places did fill up
    assert found[0].came[0] - found[0].taken[0] == axis_latency_cycles(PIPELINE, inputs)
    rate = max(inputs.beats, outputs.beats)
    firsts = np.array(found[0].came[:: outputs.beats])
    assert set(np.diff(firsts).tolist()) == {rate}


def test_a_reset_empties_the_stream(workshop):
    sent, wanted, _, _ = axis_case("64", 40, 4)
    traffic = [run for cycles in (23, 60, 61, 150) for run in (Traffic(0, 0.9, cycles, cycles), Traffic(0, 0))]
    found = stream_beats(axis(workshop, "64"), sent, traffic)
    assert all(list(run.beats) == wanted for run in found[1::2])
    assert all(len(run.beats) < len(wanted) for run in found[::2])
    change = ("bittrigger_credit_fifo", "            next <= '0;\n", "")
    with pytest.raises(ToolError, match=r"AssertionError: \d+ of 200 beats taken"):
        stream_beats(axis(workshop, "64", change, tag="no reset"), sent, traffic)


@pytest.mark.parametrize("name", ["64", "320 to 32"])
def test_each_packet_gives_one_packet_however_wrong(workshop, name):
    sent, wanted, inputs, outputs = axis_case(name, 80, 2)
    rng = np.random.default_rng(7)
    packets = [sent[k : k + inputs.beats] for k in range(0, len(sent), inputs.beats)]
    bad = {}
    for event in rng.choice(80, 30, replace=False).tolist():
        bad[event] = kind = rng.choice(["short", "long", "hole"] if inputs.beats > 1 else ["long", "hole"])
        body = packets[event]
        if kind == "short":
            body = [*body[: int(rng.integers(0, inputs.beats - 1))], replace(body[-1], last=True)]
        elif kind == "long":
            body = [replace(body[0], last=False)] * int(rng.integers(1, 2 * inputs.beats + 1)) + body
        else:
            at = int(rng.integers(inputs.beats))
            body = list(body)
            body[at] = replace(body[at], keep=body[at].keep & ~(1 << int(rng.integers(inputs.last_bytes))))
        packets[event] = body
    for run in stream_beats(axis(workshop, name), [beat for body in packets for beat in body], TRAFFIC):
        assert len(run.beats) == len(wanted)
        for number, (beat, due) in enumerate(zip(run.beats, wanted, strict=True)):
            event = number // outputs.beats
            assert beat.user == (event in bad), (event, bad.get(event))
            assert (beat.keep, beat.last) == (due.keep, due.last)
            assert event in bad or beat.data == due.data


@pytest.mark.parametrize(
    ("stem", "old", "new"),
    [
        ("bittrigger_credit_fifo", "assign room = !used[ADDRESS_BITS];", "assign room = 1'b1 | used[ADDRESS_BITS];"),
        ("bittrigger_credit_fifo", "filled <= push || second != next", "filled <= push"),
        ("bittrigger_axis_send", "wire free = !m_tvalid || m_tready;", "wire free = 1'b1 | m_tready;"),
        ("bittrigger_axis_gather", "event_bad <= bad || !final_beat", "event_bad <= bad"),
    ],
    ids=["no credits", "FIFO forgets", "no back-pressure", "length ignored"],
)
def test_a_broken_stream_is_found(workshop, stem, old, new, request):
    sent, wanted, _, _ = axis_case("64", 25, 3)
    short = [*sent, replace(sent[0], last=True)]
    broken = axis(workshop, "64", (stem, old, new), tag=request.node.callspec.id)

    broken.model()

    def judge():
        found = stream_beats(broken, short, TRAFFIC[:3])
        assert all(list(item.beats[: len(wanted)]) == wanted for item in found)
        assert all(item.beats[-1].user for item in found)

    with pytest.raises((AssertionError, ToolError)):
        judge()
