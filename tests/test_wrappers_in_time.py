"""Wrappers around designs that take an event every few cycles, whole or word by word: whatever comes, and however fast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_folding import folding_net
from test_stream_port import constituent_net
from test_wrappers import beats_of

from bittrigger.compile.pipeline import create_pipeline
from bittrigger.emit.verilog import emit_verilog
from bittrigger.emit.wrappers import AxisOptions, axis_latency_cycles, axis_streams, emit_axis, emit_emp
from bittrigger.errors import ConfigError, ToolError
from bittrigger.ir.graph import evaluate
from bittrigger.ir.ports import input_fields, output_fields, pack
from bittrigger.patterns import Board, idle_frames
from bittrigger.patterns.design import LinkOptions, expected_words, input_words, make_boards, make_payload
from bittrigger.settings import Settings
from bittrigger.simulate.simulators.verilator import find_verilator
from bittrigger.simulate.vectors import corner_codes, random_codes
from bittrigger.simulate.wrapper import Traffic, WrapperSim, play_boards, stream_beats

DESIGNS = {
    "whole": (folding_net, Settings(effort="fast", ii=9)),
    "word by word": (constituent_net, Settings(effort="fast", clock_mhz=300.0, ii=4, port="stream")),
}
TRAFFIC = (Traffic(0, 0), Traffic(0.3, 0.5, 2), Traffic(0, 0.9, 3), Traffic(0.9, 0, 4))


@pytest.fixture(scope="module", params=DESIGNS)
def made(request, tmp_path_factory):
    """A pipeline, and the files of its design."""
    network, settings = DESIGNS[request.param]
    pipeline, folder = create_pipeline(network(), settings), tmp_path_factory.mktemp("in_time")
    assert pipeline.ii == settings.ii
    return pipeline, emit_verilog(pipeline, folder / "build" / "rtl")[:-1], folder


def sim(made, files, tag):
    """The wrapper ``files`` around the design of ``made``."""
    _, design, folder = made
    return WrapperSim(files[0].stem, (*design, *files), folder / tag, timeout_s=300)


@pytest.fixture(scope="module", params=[64, 4096])
def streamed(request, made):
    """An AXI4-Stream wrapper, of several beats an event or of one, and its streams."""
    pipeline, _, folder = made
    files = emit_axis(pipeline, AxisOptions(request.param, 64), folder / "build" / "wrap" / f"axis_{request.param}")
    return sim(made, files, f"axis_{request.param}"), axis_streams(pipeline, AxisOptions(request.param, 64)), files


def packets(pipeline, streams, events):
    """Beats in, an event a packet, and those that are due."""
    codes = np.concatenate([corner_codes(pipeline.graph), random_codes(pipeline.graph, events, 2)])
    sent = beats_of(pack(codes, input_fields(pipeline.graph)), streams[0])
    wanted = beats_of(pack(evaluate(pipeline.graph, codes), output_fields(pipeline.graph)), streams[1])
    return [sent[k : k + streams[0].beats] for k in range(0, len(sent), streams[0].beats)], wanted


def test_events_come_out_at_the_pace_of_the_design(made, streamed):
    (pipeline, _, _), (wrapper, streams, _) = made, streamed
    sent, wanted = packets(pipeline, streams, 40)
    found = stream_beats(wrapper, [beat for body in sent for beat in body], TRAFFIC)
    assert all(list(run.beats) == wanted for run in found)
    assert found[0].came[0] - found[0].taken[0] == axis_latency_cycles(pipeline, streams[0])
    firsts = np.array(found[0].came[:: streams[1].beats])
    assert set(np.diff(firsts).tolist()) == {max(streams[0].beats, streams[1].beats, pipeline.ii)}


def broken(sent, streams):
    """Every third packet cut to its last beat, or without a byte where it has one beat alone: bad ones come close together."""
    bad = set(range(1, len(sent), 3)) | set(range(2, len(sent), 3))
    return bad, [
        ([replace(body[-1], last=True)] if streams[0].beats > 1 else [replace(body[0], keep=body[0].keep - 1)])
        if number in bad
        else body
        for number, body in enumerate(sent)
    ]


def check_broken(wrapper, streams, sent, wanted):
    bad, bodies = broken(sent, streams)
    for run in stream_beats(wrapper, [beat for body in bodies for beat in body], TRAFFIC[:2]):
        assert len(run.beats) == len(wanted)
        for number, (beat, due) in enumerate(zip(run.beats, wanted, strict=True)):
            event = number // streams[1].beats
            assert beat.user == (event in bad)
            assert event in bad or beat.data == due.data


def test_packets_that_are_too_short_do_not_come_too_soon(made, streamed):
    (pipeline, _, _), (wrapper, streams, files) = made, streamed
    sent, wanted = packets(pipeline, streams, 60)
    check_broken(wrapper, streams, sent, wanted)
    text = files[0].read_text()
    hasty = files[0].with_name("hasty") / files[0].name
    hasty.parent.mkdir()
    hasty.write_text(text.replace(f"        .INTERVAL({pipeline.ii}),\n", ""))
    assert hasty.read_text() != text
    with pytest.raises((AssertionError, ToolError)):
        check_broken(sim(made, (hasty, *files[1:]), f"hasty_{streams[0].beats}"), streams, sent, wanted)


@pytest.fixture(scope="module")
def linked(made):
    """An EMP wrapper on one link, and its payload."""
    pipeline, _, folder = made
    payload = make_payload(pipeline.graph, pipeline.latency_cycles, LinkOptions(tmux=2, links=None))
    return sim(made, emit_emp(pipeline, payload, folder / "build" / "wrap" / "emp"), "emp"), payload


def test_packets_of_links_give_the_oracle_after_the_latency(made, linked):
    (pipeline, _, _), (wrapper, payload) = made, linked
    inputs, outputs = make_boards(pipeline.graph, random_codes(pipeline.graph, 12, 5), payload, max_frames=400)
    captures = play_boards(wrapper, inputs, payload.inputs.links)
    assert [one.board.frames.tolist() for one in captures] == [board.frames.tolist() for board in outputs]
    assert not any(one.overrun or one.packet_error for one in captures)


def test_packets_that_come_too_soon_are_left_out_and_told(made, linked):
    (pipeline, _, _), (wrapper, payload) = made, linked
    codes, rng = random_codes(pipeline.graph, 60, 6), np.random.default_rng(1)
    rows, begins, now = [], [], 0
    for event in input_words(pipeline.graph, codes, payload):
        gap = int(rng.choice([0, 1, 2, pipeline.ii, pipeline.ii + 3]))
        packet = idle_frames(payload.inputs.words + gap, payload.inputs.links)
        packet["data"][: payload.inputs.words] = event.T
        packet["valid"][: payload.inputs.words] = True
        packet["start"][0], packet["last"][payload.inputs.words - 1] = True, True
        begins.append(now)
        rows.append(packet)
        now += len(packet)
    tail = idle_frames(payload.latency_cycles + payload.outputs.words + pipeline.ii, payload.inputs.links)
    board = Board("hasty", tuple(range(payload.inputs.links)), np.concatenate([*rows, tail]))
    (capture,) = play_boards(wrapper, [board], payload.inputs.links)
    taken, last = [], -pipeline.ii
    for event, begin in enumerate(begins):
        if begin - last >= pipeline.ii:
            taken, last = [*taken, event], begin
    assert 10 < len(taken) < len(codes)
    starts = np.flatnonzero(capture.board.frames["start"][:, 0])
    assert starts.tolist() == [begins[event] + payload.latency_cycles for event in taken]
    due = expected_words(pipeline.graph, codes[taken], payload)
    for start, event in zip(starts, due, strict=True):
        assert (capture.board.frames["data"][start : start + payload.outputs.words] == event.T).all()
    assert len(capture.overrun) >= len(codes) - len(taken)
    assert not capture.packet_error


def test_files_are_clean(made, streamed, tmp_path):
    _, design, _ = made
    find_verilator().lint([*design, *streamed[2]], streamed[2][0].stem, tmp_path / "lint.log")


def test_links_that_are_faster_than_the_design_are_refused(tmp_path):
    pipeline = create_pipeline(folding_net(), Settings(effort="fast", ii=12))
    payload = make_payload(pipeline.graph, pipeline.latency_cycles, LinkOptions(tmux=1))
    with pytest.raises(ConfigError, match="every 12 cycles, and the links bring one every 9 frames.*--tmux"):
        emit_emp(pipeline, payload, tmp_path)
