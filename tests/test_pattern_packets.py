"""Events on links: packets hold them and give them back, and the boards of a design are judged on every bit."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from designs import graph as network
from designs import mlp
from hypothesis import given, settings
from hypothesis import strategies as st
from pattern_files import EVERYTHING, STROBED

from bittrigger.build.folder import fresh_folder, save_build
from bittrigger.cli import main
from bittrigger.errors import ConfigError, MismatchError
from bittrigger.ir.fixed import FixedPoint, Interval
from bittrigger.ir.graph import Graph, Input, evaluate
from bittrigger.patterns import (
    Board,
    ChannelSpec,
    Format,
    Layout,
    extract_packets,
    from_words,
    idle_frames,
    infer_packets,
    least_links,
    pack_events,
    parse,
    read,
    render,
    to_words,
)
from bittrigger.patterns.design import LinkOptions, check_boards, make_boards, make_payload, read_codes, write_boards
from bittrigger.settings import Settings
from bittrigger.simulate.vectors import random_codes

# Packets


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_events_come_back_from_their_packets(data):
    spec = ChannelSpec(data.draw(st.integers(1, 3)), data.draw(st.integers(0, 5)), data.draw(st.integers(0, 7)))
    shape = tuple(data.draw(st.integers(*bounds)) for bounds in ((1, 6), (1, 3), (1, spec.packet_frames)))
    words = np.random.default_rng(0).integers(0, 2**64, shape, dtype=np.uint64)
    frames = data.draw(st.integers(spec.offset_frames + spec.period_frames, 120))
    files = pack_events(words, spec, max_frames=frames)
    back = []
    for board in files:
        assert board.frames.shape[0] == frames
        found = extract_packets(parse(render(board, Format.EMPV2)))
        assert found.orbits.tolist() == [True] + [False] * (len(found.frames) - 1)
        assert (found.frames == spec.offset_frames + spec.period_frames * np.arange(len(found.frames))).all()
        back.append(found.words)
    assert np.array_equal(np.concatenate(back), words)


def test_packets_lie_as_in_the_example_of_cmssw():
    # three vertex packets of ten words at TMUX 6, ten frames after the file begins: frames 10, 64 and 118
    spec = ChannelSpec(6, 44, offset_frames=10)
    words = np.arange(30, dtype=np.uint64).reshape(3, 1, 10)
    board = pack_events(words, spec, max_frames=172)[0]
    column = board.frames[:, 0]
    assert np.flatnonzero(column["start"]).tolist() == [10, 64, 118]
    assert np.flatnonzero(column["last"]).tolist() == [19, 73, 127]
    assert np.flatnonzero(column["start_of_orbit"]).tolist() == [10]
    assert int(column["valid"].sum()) == 30
    assert column["strobe"].all()
    rows = render(board, Format.EMPV2).splitlines()[4:]
    assert [rows[k].split()[2] for k in (9, 10, 11, 19, 20, 64)] == ["0000", "1101", "0001", "0011", "0000", "0101"]


def test_a_file_without_packet_flags_is_read_by_its_valid_bits():
    words = np.arange(1, 25, dtype=np.uint64).reshape(3, 2, 4)
    board = pack_events(words, ChannelSpec(1, 1), max_frames=40)[0]
    plain = parse(render(board, Format.EMPV1, drop=EVERYTHING))
    with pytest.raises(ConfigError, match="file.txt, link 0: valid words but no start of a packet.*--infer-packets"):
        extract_packets(plain, source="file.txt")
    assert infer_packets(plain) == board


def test_a_low_strobe_stretches_a_packet():
    board = parse(STROBED)
    frames = idle_frames(4, 1)
    frames["data"][:, 0] = [1, 1, 2, 0]
    frames["valid"][:3] = True
    frames["start"][:2] = True
    frames["last"][2] = True
    frames["strobe"][1] = False
    assert extract_packets(Board("a", (0,), frames)).words.tolist() == [[[1, 2]]]
    with pytest.raises(ConfigError, match="link 8: the packet that starts in frame 0 has no end"):
        extract_packets(board)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"valid": (1, 0)}, "board, link 0, frame 1: not valid within the packet that starts in frame 0"),
        ({"last": (2, 0)}, "link 0, frame 3: not valid within the packet that starts in frame 0"),
        ({"last": (11, 0), "valid": (12, 0)}, "link 0, frame 13: not valid within"),
        ({"start": (0, 1)}, "link 1, frame 0: a valid word outside of packets, which begin with start"),
        ({"last": (1, 0)}, "link 0, frame 2: a valid word outside of packets"),
        ({"start": (2, 0)}, "link 0, frame 2: another start within the packet that starts in frame 0"),
        ({"valid": (5, 1)}, "link 1, frame 5: a valid word outside of packets"),
    ],
)
def test_malformed_packets_are_named(changes, message):
    board = pack_events(np.ones((2, 2, 3), np.uint64), ChannelSpec(1), max_frames=20)[0]
    frames = board.frames.copy()
    for flag, (frame, column) in changes.items():
        frames[flag][frame, column] ^= True
    with pytest.raises(ConfigError, match=message):
        extract_packets(Board(board.id, board.links, frames))


def test_links_must_agree():
    spec = ChannelSpec(1)
    short, long = (pack_events(np.ones((2, 1, n), np.uint64), spec, max_frames=20)[0].frames for n in (3, 4))
    with pytest.raises(ConfigError, match="frame 0: the packet has 4 words on link 1 and 3 on link 0; all must agree"):
        extract_packets(Board("a", (0, 1), np.concatenate([short, long], axis=1)))
    late = pack_events(np.ones((2, 1, 3), np.uint64), replace(spec, offset_frames=1), max_frames=20)[0].frames
    with pytest.raises(ConfigError, match="packets of link 1 start not at frame 0; all links must start together"):
        extract_packets(Board("a", (0, 1), np.concatenate([short, late], axis=1)))
    uneven = np.concatenate([short[:9], long[:9]])
    with pytest.raises(ConfigError, match="frame 9: a packet of 4 words; the first has 3"):
        extract_packets(Board("a", (0,), uneven))


def test_packets_that_do_not_fit_are_refused():
    words = np.ones((1, 1, 9), np.uint64)
    with pytest.raises(ConfigError, match=r"packets of 9 words; allowed are 1 to 8 \(TMUX 1, 9 frames, gap 1\)"):
        pack_events(words, ChannelSpec(1, 1))
    with pytest.raises(ConfigError, match="files of 8 frames; at least 9 are needed for one event"):
        pack_events(words, ChannelSpec(1), max_frames=8)
    with pytest.raises(ConfigError, match=r"words of shape \(1, 9\)"):
        pack_events(words[0], ChannelSpec(1))
    for wrong, message in (
        ({"tmux": 0}, "TMUX 0"),
        ({"tmux": 1, "gap_frames": 9}, "gap 9; must be below the period of 9 frames"),
        ({"tmux": 1, "gap_frames": -1}, "neither may be negative"),
    ):
        with pytest.raises(ConfigError, match=message):
            ChannelSpec(**wrong)


# Bits on links


@given(st.integers(1, 400), st.integers(1, 4), st.integers(0, 5))
@settings(max_examples=80, deadline=None)
def test_bits_come_back_from_links(bits, links, events):
    layout = Layout(bits, links)
    values = np.random.default_rng(bits).integers(0, 2, (events, bits), dtype=np.uint8)
    packed = np.packbits(values, axis=1, bitorder="little")
    words = to_words(packed, layout)
    assert words.shape == (events, links, layout.words)
    assert np.array_equal(from_words(words, layout), packed)
    for bit in range(bits):
        word = words[:, bit // 64 % links, bit // (64 * links)]
        assert np.array_equal(word >> np.uint64(bit % 64) & np.uint64(1), values[:, bit])


def test_a_bit_beyond_the_event_is_an_error():
    words = to_words(np.zeros((2, 2), np.uint8), Layout(10, 2))
    words[1, 0, 0] = 1 << 10
    with pytest.raises(ConfigError, match="event 1: a bit beyond the 10 of an event is set"):
        from_words(words, Layout(10, 2))
    with pytest.raises(ConfigError, match="event 0: a bit beyond the 16"):
        from_words(words[1:] << np.uint64(10), Layout(16, 2))
    assert least_links(684, 9) == 2
    assert least_links(684, 54) == 1


# A design between links


def example(sizes=(9, 5, 3), **options):
    design = network(sizes)
    return design, make_payload(design, 4, LinkOptions(**options)), random_codes(design, 7, 1)


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize(
    "options", [{"tmux": 1}, {"tmux": 6, "links": 2, "gap_frames": 6}, {"tmux": 18, "out_links": 2}]
)
def test_vectors_of_a_design_come_back(tmp_path, form, options):
    design, payload, codes = example(**options)
    inputs, outputs = make_boards(design, codes, payload, max_frames=400)
    paths = write_boards(tmp_path / "out.txt", outputs, form)
    assert [path.name for path in paths] == (
        ["out.txt"] if len(outputs) == 1 else [f"out_{k:02}.txt" for k in range(len(outputs))]
    )
    found = [read(path) for path in paths]
    if form is Format.EMPV1:
        found = [infer_packets(board) for board in found]
    assert check_boards(design, codes, found, [str(path) for path in paths], payload) == 7
    assert np.array_equal(read_codes(design, inputs, ["in"] * len(inputs), payload), codes)
    begin = [np.flatnonzero(board.frames["start"][:, 0])[0] for board in (inputs[0], outputs[0])]
    assert begin[1] - begin[0] == payload.latency_cycles == payload.inputs.words + 1 + 4


def test_packets_that_empv1_would_merge_are_refused(tmp_path):
    design, payload, codes = example((72, 5, 3), tmux=1)
    assert payload.inputs.words == payload.spec.period_frames
    inputs, _ = make_boards(design, codes, payload)
    with pytest.raises(ConfigError, match="empv1 marks no starts of packets, and these follow without a gap"):
        write_boards(tmp_path / "in.txt", inputs, Format.EMPV1)
    assert not list(tmp_path.iterdir())
    assert write_boards(tmp_path / "in.txt", inputs, Format.EMPV2)


def test_a_wrong_bit_is_named():
    design, payload, codes = example(tmux=1)
    _, (board,) = make_boards(design, codes, payload)
    frames = board.frames.copy()
    start = int(np.flatnonzero(frames["start"][:, 0])[4])
    kept = int(frames["data"][start, 0])
    frames["data"][start, 0] ^= np.uint64(1 << 20)
    wrong = Board(board.id, (3,), frames)
    with pytest.raises(
        MismatchError,
        match=rf"^out.txt: event 4, output dense_1\[2\], frame {start}, link 3: oracle gives {kept:016x}, "
        rf"the file {kept ^ 1 << 20:016x}; 1 of 7 events differ$",
    ):
        check_boards(design, codes, [wrong], ["out.txt"], payload)
    frames = board.frames.copy()
    frames["data"][start, 0] ^= np.uint64(1 << 63)
    with pytest.raises(MismatchError, match="event 4, bit 63, beyond the outputs, where zero is due"):
        check_boards(design, codes, [Board(board.id, (3,), frames)], ["out.txt"], payload)


def test_inputs_outside_of_their_ports_are_named():
    kind = FixedPoint(True, 8, 4)
    design = Graph("net", (Input("x", 2, kind, Interval(-127, 127)),), ("x",))
    payload = make_payload(design, 1, LinkOptions())
    boards = pack_events(np.array([[[0x7F01]], [[0x8001]]], np.uint64), payload.spec)
    with pytest.raises(ConfigError, match=r"in.txt: event 1, input x\[1\] has code -128; its range is -127 to 127"):
        read_codes(design, boards, ["in.txt"], payload)
    with pytest.raises(
        ConfigError, match="in.txt: packets of 1 words on 1 links; 'net' takes 1 words on 2 links; see --links"
    ):
        read_codes(design, boards, ["in.txt"], make_payload(design, 1, LinkOptions(links=2)))


def test_missing_and_displaced_packets_are_named():
    design, payload, codes = example(tmux=1)
    _, (board,) = make_boards(design, codes, payload)
    with pytest.raises(MismatchError, match="out.txt: 7 packets; the oracle gives 6"):
        check_boards(design, codes[:6], [board], ["out.txt"], payload)
    frames = np.insert(board.frames, int(np.flatnonzero(board.frames["start"][:, 0])[3]), idle_frames(1, 1), axis=0)
    with pytest.raises(
        MismatchError, match="event 3 starts in frame .*10 frames after the one before it; the period is 9"
    ):
        check_boards(design, codes, [Board("a", (0,), frames)], ["out.txt"], payload)
    wide = Board("a", (0, 1), np.repeat(board.frames, 2, axis=1))
    with pytest.raises(MismatchError, match="packets of 1 words on 2 links; the oracle gives 1 words on 1 links"):
        check_boards(design, codes, [wide], ["out.txt"], payload)


def test_a_design_that_does_not_fit_its_links_is_refused():
    wide = Graph("wide", (Input("x", 90, FixedPoint(True, 8, 0), FixedPoint(True, 8, 0).interval),), ("x",))
    with pytest.raises(
        ConfigError,
        match="1 input links carry 9 words of 64 bits an event at TMUX 1 and gap 0; 720 bits need 2 links or more",
    ):
        make_payload(wide, 1, LinkOptions(tmux=1, links=1))
    payload = make_payload(wide, 1, LinkOptions(tmux=1))
    assert (payload.inputs.links, payload.inputs.words, payload.outputs.links) == (2, 6, 2)
    with pytest.raises(ConfigError, match="files of 10 frames; one event and its result 8 cycles later need 17"):
        make_boards(wide, random_codes(wide, 1, 0), payload, max_frames=10)


# Command line


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    folder = tmp_path_factory.mktemp("builds") / "example"
    with fresh_folder(folder, overwrite=False) as scratch:
        save_build(scratch, mlp((9, 5, 3)), Settings(), {})
    return folder


def run(capsys, *arguments):
    """Standard output and error of a run, and its exit code."""
    try:
        main(["patterns", *map(str, arguments)])
        code = 0
    except SystemExit as stop:
        code = stop.code
    streams = capsys.readouterr()
    return code, streams.out.replace("\n", " "), streams.err.replace("\n", " ")


def test_the_command_line_writes_converts_and_checks(build, tmp_path, capsys):
    events = tmp_path / "x.npy"
    np.save(events, np.random.default_rng(0).normal(size=(40, 9)))
    inputs, outputs, other = (tmp_path / name for name in ("in.txt", "out.txt", "out_apx.txt"))
    link = ("--tmux", 1, "--links", 2, "--gap", 3)
    code, out, err = run(capsys, "write", build, "--events", events, *link, "-o", inputs, "--expected", outputs)
    assert (code, err) == (0, "")
    assert "40 events; inputs 1 words on 2 links, outputs 1 words on 1 links, latency" in out
    assert "40 events, every bit equal" in run(capsys, "check", build, outputs, "--events", events, *link)[1]
    assert "40 events, every bit equal" in run(capsys, "check", build, outputs, "--events", inputs, *link)[1]
    code, _, err = run(capsys, "convert", outputs, other, "--to", "apx")
    assert code == 2
    assert "apx cannot carry the board's id 'example'; choose another format, or --drop id" in err
    assert not other.exists()
    assert run(capsys, "convert", outputs, other, "--to", "apx", "--drop", "id")[0] == 0
    assert "every bit equal" in run(capsys, "check", build, other, "--events", events, *link)[1]
    assert run(capsys, "convert", other, tmp_path / "back.txt", "--to", "empv2", "--id", "example")[0] == 0
    assert (tmp_path / "back.txt").read_text() == outputs.read_text()
    text = outputs.read_text()
    at = text.index("  0111 ") + len("  0111 ") + 15
    outputs.write_text(text[:at] + "0123456789abcdef"[int(text[at], 16) ^ 1] + text[at + 1 :])
    code, _, err = run(capsys, "check", build, outputs, "--events", events, *link)
    assert code == 1
    assert "event 1, output dense_1[0], frame " in err
    assert "1 of 40 events differ" in err


def test_the_command_line_splits_files(build, tmp_path, capsys):
    arguments = ("-n", 30, "--frames", 100, "--tmux", 1)
    assert (
        run(capsys, "write", build, "-o", tmp_path / "in.txt", "--expected", tmp_path / "out.txt", *arguments)[0] == 0
    )
    files = sorted(tmp_path.glob("out_*.txt"))
    assert len(files) == 3
    assert "30 events, every bit equal" in run(capsys, "check", build, *files, "-n", 30, "--tmux", 1)[1]
    for wrong, message in ((("--count", "0"), "--count 0"), (("--format", "x2o"), "X2O has no published")):
        code, _, err = run(capsys, "write", build, "-o", tmp_path / "in.txt", *wrong)
        assert code == 2
        assert message in err


def test_the_library_is_light():
    script = (
        "import sys, bittrigger.patterns\n"
        "light = {'bittrigger.errors', 'bittrigger.system', 'bittrigger.system.files'}\n"
        "heavy = {name.split('.')[0] for name in sys.modules} & {'tensorflow', 'hls4ml', 'jinja2', 'click', 'rich', 'h5py'}\n"
        "own = {name for name in sys.modules if name.startswith('bittrigger.')} - light\n"
        "assert not heavy, heavy\n"
        "assert all(name.startswith('bittrigger.patterns') for name in own), own\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_evaluating_the_oracle_is_what_is_expected():
    design, payload, codes = example(tmux=1)
    _, (board,) = make_boards(design, codes, payload)
    first = int(board.frames["data"][np.flatnonzero(board.frames["start"][:, 0])[0], 0])
    lowest = int(evaluate(design, codes)[0, 0])
    width = make_payload(design, 4, LinkOptions()).outputs.bits // 3
    assert first & ((1 << width) - 1) == lowest % (1 << width)
