"""Wrappers in Verilator: every bit, every cycle, every fault that links and streams can have; and proof that it can fail."""

import re
from dataclasses import replace

import numpy as np
import pytest
from designs import mlp
from library import yosys

from bittrigger.build import BuildSettings, fresh_folder, save_build
from bittrigger.cli import main
from bittrigger.emit.emit_verilog import emit_verilog
from bittrigger.emit.emit_wrappers import (
    AxisOptions,
    axis_depth,
    axis_latency_cycles,
    axis_streams,
    emit_axis,
    emit_emp,
    to_beats,
)
from bittrigger.errors import ConfigError, MismatchError, ToolError, UnsupportedModelError
from bittrigger.graph import evaluate
from bittrigger.patterns import FRAME, Board, ChannelSpec, Format, idle_frames, pack_events, parse, render
from bittrigger.patterns.design import LinkOptions, check_boards, expected_words, input_words, make_boards, make_payload
from bittrigger.ports import input_fields, output_fields, pack
from bittrigger.simulate.vectors import random_codes
from bittrigger.simulate.verilator import find_verilator
from bittrigger.simulate.wrapper import Beat, Traffic, WrapperSim, play_boards, stream_beats

PIPELINE = mlp((40, 6, 9))
GRAPH = PIPELINE.graph
EMP = {
    "1 link": LinkOptions(tmux=1, links=1, out_links=1),  # 5 words in, 2 words out
    "5 links": LinkOptions(tmux=1, links=5, out_links=2),  # 1 word in, 1 word out
    "uneven": LinkOptions(tmux=1, links=5, out_links=1),  # 1 word in, 2 words out
}
AXIS = {
    "64": AxisOptions(64),
    "320 to 32": AxisOptions(320, 32),
    "24 to 96": AxisOptions(24, 96),
    "wide": AxisOptions(512),
}


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """The design's SystemVerilog, and a place for the models of its wrappers."""
    folder = tmp_path_factory.mktemp("wrappers")
    return folder, emit_verilog(PIPELINE, folder / "rtl")


def payload_of(name):
    return make_payload(GRAPH, PIPELINE.latency_cycles, EMP[name])


def build(workshop, files, tag, changes=()):
    """The wrapper with ``changes``, each a file's stem and a text in it that becomes another."""
    folder, design = workshop
    place = folder / f"{tag} {len(changes)}"
    copies = []
    for path in files:
        text = path.read_text()
        for stem, old, new in changes:
            if path.stem == stem:
                assert text.count(old) == 1, (stem, old)
                text = text.replace(old, new)
        copies.append(place / path.name)
        place.mkdir(exist_ok=True)
        copies[-1].write_text(text)
    return WrapperSim(files[0].stem, (*design, *copies), place / "sim", timeout_s=300)


def emp(workshop, name, *changes, tag=""):
    files = emit_emp(PIPELINE, payload_of(name), workshop[0] / "emp" / name)
    return build(workshop, files, f"emp {name}{tag}", changes)


def axis(workshop, name, *changes, tag=""):
    files = emit_axis(PIPELINE, AXIS[name], workshop[0] / "axis" / name)
    return build(workshop, files, f"axis {name}{tag}", changes)


def play(workshop, name, *boards):
    return play_boards(emp(workshop, name), boards, payload_of(name).inputs.links)


# EMP: what comes out, from the contract in the header comments


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
    from bittrigger.patterns import from_words
    from bittrigger.ports import unpack

    return expected_words(GRAPH, unpack(from_words(words, payload.inputs), input_fields(GRAPH)), payload)


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


# Text


@pytest.mark.parametrize("links", [1, 2, 5])
@pytest.mark.parametrize("out_links", [1, 2])
def test_emp_wrappers_are_clean_under_every_lint(workshop, tmp_path, links, out_links):
    options = LinkOptions(tmux=1, links=links, out_links=out_links)
    files = emit_emp(PIPELINE, make_payload(GRAPH, PIPELINE.latency_cycles, options), tmp_path)
    find_verilator().lint([*workshop[1], *files], "example_emp", tmp_path / "lint.log")


@pytest.mark.parametrize("beat_bits", [8, 320, 328, 1024])
@pytest.mark.parametrize("out_beat_bits", [8, 96])
def test_axis_wrappers_are_clean_under_every_lint(workshop, tmp_path, beat_bits, out_beat_bits):
    files = emit_axis(PIPELINE, AxisOptions(beat_bits, out_beat_bits), tmp_path)
    find_verilator().lint([*workshop[1], *files], "example_axis", tmp_path / "lint.log")


def test_the_header_states_the_contract(tmp_path):
    text = emit_emp(PIPELINE, payload_of("1 link"), tmp_path)[0].read_text()
    latency = 4 + 2 + PIPELINE.latency_cycles
    assert f"latency          {latency} cycles from the first word of a packet on d" in text
    assert f"(4 to collect it, 1 register, {PIPELINE.latency_cycles} in the design, 1 register)" in text
    assert "a packet every 5 cycles or more; TMUX 1 sends one every 9" in text
    text = emit_axis(PIPELINE, AXIS["64"], tmp_path)[0].read_text()
    assert "5 beats of 64 bits, the lowest bits of in_data first" in text
    assert f"s_axis_tready is low while {axis_depth(PIPELINE)} events are between" in text
    assert not [line for line in text.splitlines() if line != line.rstrip()]


def test_the_vhdl_adapter_has_the_records_of_emp(tmp_path):
    emit_emp(PIPELINE, payload_of("5 links"), tmp_path)
    text = (tmp_path / "example_emp_links.vhd").read_text()
    assert "d            : in  ldata(4 downto 0);" in text
    assert "q            : out ldata(1 downto 0);" in text
    for flag in ("valid", "start", "last", "start_of_orbit", "strobe"):
        assert f"d_{flag}(k) <= d(k).{flag};" in text
        assert f"q(k).{flag} <= q_{flag}(k);" in text
    ports = re.findall(r"\b([dq]_\w+|packet_error|overrun|rst)\s*:", text)
    wrapper = (tmp_path / "example_emp.sv").read_text()
    assert {port for port in ports if port != "clk_p"} <= set(
        re.findall(r"(\w+)[,\n)]", wrapper[: wrapper.index(");")])
    )


def test_names_of_the_wrapper_are_reserved(tmp_path):
    taken = replace(PIPELINE, graph=replace(GRAPH, name="bittrigger_delay"))
    with pytest.raises(UnsupportedModelError, match="a module 'bittrigger_delay', a name of the wrapper"):
        emit_axis(taken, AxisOptions(), tmp_path)
    with pytest.raises(ConfigError, match="beats of 12 bits; allowed are multiples of 8 from 8 to 4096"):
        emit_axis(PIPELINE, AxisOptions(12), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("interface", ["emp", "axi-stream"])
def test_yosys_reads_the_wrappers(workshop, tmp_path, interface):
    files = (
        emit_emp(PIPELINE, payload_of("1 link"), tmp_path)
        if interface == "emp"
        else emit_axis(PIPELINE, AXIS["64"], tmp_path)
    )
    sources = " ".join(map(str, (*workshop[1], *files)))
    commands = (f"read_verilog -sv {sources}", f"hierarchy -check -top {files[0].stem}", "proc", "check -assert")
    done = yosys(tmp_path, *commands)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


# Command line


def test_a_file_goes_through_the_wrapper_and_comes_back(tmp_path, capsys):
    folder = tmp_path / "tagger"
    with fresh_folder(folder, overwrite=False) as scratch:
        emit_verilog(PIPELINE, scratch / "rtl")
        save_build(scratch, PIPELINE, BuildSettings(), {})

    def run(*arguments):
        try:
            main([str(argument) for argument in arguments])
            code = 0
        except SystemExit as stop:
            code = stop.code
        streams = capsys.readouterr()
        return code, (streams.out + streams.err).replace("\n", " ")

    link = ("--tmux", 6, "--links", 2, "--gap", 6)
    names = {name: tmp_path / f"{name}.txt" for name in ("in", "expected", "out")}
    assert "latency" in run("wrap", folder, "-i", "emp", *link)[1]
    listed = (folder / "wrap" / "emp" / "files.f").read_text().splitlines()
    assert all((folder / "wrap" / "emp" / name).is_file() for name in listed)
    assert listed[-1] == "example_emp.sv"
    assert run("patterns", "write", folder, "-n", 12, "-o", names["in"], "--expected", names["expected"], *link)[0] == 0
    code, text = run("patterns", "play", folder, names["in"], "-o", names["out"], *link)
    assert (code, "packet errors 0, overruns 0" in text) == (0, True), text
    assert names["out"].read_text() == names["expected"].read_text()
    assert "12 events, every bit equal" in run("patterns", "check", folder, names["out"], "-n", 12, *link)[1]
    code, text = run("patterns", "play", folder, names["in"], "-o", names["out"], "--links", 3)
    assert code == 1
    assert "board 'example' has 2 links; 'example_emp' has 3; see --links" in text
    assert "latency 12 cycles if nothing waits" in run("wrap", folder, "--interface", "axi-stream")[1]
    for wrong, message in (
        (("-i", "ipbus"), "--interface 'ipbus'; allowed are axi-stream, emp"),
        (("-i", "emp", "--tmux", 0), "TMUX 0"),
    ):
        code, text = run("wrap", folder, *wrong)
        assert code == 1
        assert message in text


def test_recorded_frames_are_those_of_the_format(workshop):
    payload = payload_of("5 links")
    words = input_words(GRAPH, random_codes(GRAPH, 2, 1), payload)
    (capture,) = play(workshop, "5 links", *pack_events(words, payload.spec, max_frames=40))
    assert capture.board.frames.dtype == FRAME
    assert parse(render(capture.board, Format.EMPV2)) == capture.board
