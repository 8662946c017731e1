"""Pattern files: what is written comes back, deviations are refused by name, and damaged files are never a crash."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pattern_files import APX, EMPV1, EMPV2, EVERYTHING, META, STROBED
from strategies import boards

from bittrigger.errors import ConfigError
from bittrigger.patterns import (
    FLAGS,
    Board,
    Format,
    detect_format,
    idle_frames,
    losses,
    make_board,
    parse,
    parse_format,
    read,
    render,
    write,
)


def flags_of(board, frame, link):
    return "".join(str(int(board.frames[name][frame, board.column(link)])) for name in FLAGS)


# Formats


@given(boards(), st.sampled_from(Format))
@settings(max_examples=150, deadline=None)
def test_what_is_written_comes_back(board, form):
    text = render(board, form, drop=EVERYTHING)
    back = parse(text)
    assert detect_format(text) is form
    kept = board.frames.copy()
    for name in losses(board, form):
        if name != "id":
            kept[name] = name == "strobe"
    assert back == Board("" if "id" in losses(board, form) else board.id, board.links, kept)
    assert parse(text, lenient=True) == back
    assert render(back, form) == text
    if not losses(board, form):
        assert back == board


@pytest.mark.parametrize("form", Format)
def test_frame_numbers_grow_beyond_four_digits(form):
    board = make_board("", (0,), data=np.arange(10_002)[:, None])
    text = render(board, form)
    assert text.splitlines()[-1].startswith("0x2711  " if form is Format.APX else "Frame 10001 ")
    assert parse(text) == board


@given(boards(), st.sampled_from(Format))
@settings(max_examples=60, deadline=None)
def test_nothing_is_lost_without_consent(board, form):
    lost = losses(board, form)
    if lost:
        with pytest.raises(ConfigError, match=f"^{form.value} cannot carry .*or --drop {lost[0]}$"):
            render(board, form)
    assert render(board, form, drop=lost)


def test_an_empv2_file_is_read():
    board = parse(EMPV2)
    assert (board.id, board.links, board.frames.shape) == ("CMSSW", (0, 1), (3, 2))
    assert [hex(word) for word in board.frames["data"][:, 0].tolist()] == ["0x1", "0xfedcba9876543210", "0xa"]
    # start of orbit, start, last, valid, strobe: the first digit is the orbit, not the packet
    assert [flags_of(board, k, 0) for k in range(3)] == ["11011", "00011", "00111"]
    assert {flags_of(board, k, 1) for k in range(3)} == {"00001"}


def test_five_digits_are_a_strobed_link():
    board = parse(STROBED)
    assert board.id == "board 3"
    assert [flags_of(board, k, 8) for k in range(2)] == ["11011", "11010"]
    assert [flags_of(board, k, 12) for k in range(2)] == ["11011", "00111"]


def test_an_empv1_file_is_read():
    board = parse(EMPV1)
    assert (board.id, board.links) == ("CMSSW", (5, 8))
    assert [flags_of(board, k, 5) for k in range(2)] == ["00011", "00001"]
    assert [flags_of(board, k, 8) for k in range(2)] == ["00001", "00010"]


def test_an_apx_file_is_read():
    board = parse(APX)
    assert (board.id, board.links) == ("", (0, 12))
    assert [flags_of(board, k, 0) for k in range(2)] == ["11011", "00111"]


def two_links():
    return make_board(
        "CMSSW",
        (0, 1),
        data=[[1, 0], [0xFEDCBA9876543210, 0], [0xA, 0]],
        valid=[[1, 0], [1, 0], [1, 0]],
        start=[[1, 0], [0, 0], [0, 0]],
        last=[[0, 0], [0, 0], [1, 0]],
        start_of_orbit=[[1, 0], [0, 0], [0, 0]],
    )


def test_files_are_written_as_cmssw_writes_them():
    # byte for byte what L1Trigger/DemonstratorTools writes, whose header has blanks at its end
    head = ["ID: CMSSW", META, "", "      Link              000                    001        "]
    rows = ["Frame 0000    1101 0000000000000001  0000 0000000000000000"]
    rows += ["Frame 0001    0001 fedcba9876543210  0000 0000000000000000"]
    rows += ["Frame 0002    0011 000000000000000a  0000 0000000000000000"]
    assert render(two_links(), Format.EMPV2) == "\n".join([*head, *rows]) + "\n"
    board = replace(two_links(), links=(5, 8))
    head = ["Board CMSSW", " Quad/Chan :         q01c1                q02c0       "]
    head += ["      Link :          005                  008        "]
    rows = ["Frame 0000 :   1v0000000000000001   0v0000000000000000"]
    rows += ["Frame 0001 :   1vfedcba9876543210   0v0000000000000000"]
    rows += ["Frame 0002 :   1v000000000000000a   0v0000000000000000"]
    assert render(board, Format.EMPV1, drop=EVERYTHING) == "\n".join([*head, *rows]) + "\n"
    head = ["#Sideband ON", "#LinkLabel                LINK_00                    LINK_01    ", "#BeginData"]
    rows = ["0x0000    0x07 0x0000000000000001    0x00 0x0000000000000000"]
    rows += ["0x0001    0x01 0xfedcba9876543210    0x00 0x0000000000000000"]
    rows += ["0x0002    0x09 0x000000000000000a    0x00 0x0000000000000000"]
    assert render(two_links(), Format.APX, drop=["id"]) == "\n".join([*head, *rows]) + "\n"


def test_a_strobe_is_written_only_on_links_that_need_it():
    lines = render(parse(STROBED), Format.EMPV2).splitlines()
    assert lines[4] == "Frame 0000    11101 0000000000000001  1101 0000000000000003"
    assert parse("\n".join(lines)) == parse(STROBED)


DEVIATIONS = {
    "lower-case d": (EMPV2.replace("ID:", "Id:"), r"line 1: header 'Id: CMSSW'; expected 'ID: ', to the letter"),
    "trailing blanks": (
        EMPV2.replace("a  0000 0000000000000000", "a  0000 0000000000000000 "),
        "line 7: trailing blanks",
    ),
    "single blank": (EMPV2.replace("0001  0000", "0001 0000"), r"line 5: 1 words in .*expected 2, one for each link"),
    "single blank after Frame": (
        EMPV2.replace("0001    0001", "0001 0001"),
        "line 6: frame .*'Frame 0001' and two blanks",
    ),
    "carriage returns": (
        EMPV2.replace("\n", "\r\n"),
        r"line 1: character '\\r'; expected lines that end with a line feed",
    ),
    "header in one blank": (EMPV2.replace("Link  ", "Link "), None),
    "empty line": (EMPV2.replace("CMSSW\n", "CMSSW\n\n"), "line between ID and .*Metadata line directly after"),
    "v1 trailing": (EMPV1.replace("00ff", "00ff  "), "line 4: trailing blanks"),
    "v1 board": (EMPV1.replace("Board", "board"), "line 1: header 'board CMSSW'; expected 'Board '"),
    "apx trailing": (
        APX.replace("3210    0x00 0x0000000000000000", "3210    0x00 0x0000000000000000 "),
        "trailing blanks",
    ),
    "apx error bit": (APX.replace("0x09", "0x19"), "line 5: sideband '0x19'; expected at most 0x0f"),
}


@pytest.mark.parametrize("name", DEVIATIONS)
def test_known_deviations_are_read_on_request_only(name):
    text, message = DEVIATIONS[name]
    plain = {"E": EMPV2, "v": EMPV1, "a": APX}.get(name[0] if name[:2] in ("v1", "ap") else "E")
    assert parse(text, lenient=True) == parse(plain)
    if message is not None:
        with pytest.raises(ConfigError, match=message):
            parse(text, "capture.txt")


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (EMPV2.replace("1101 ", "110 "), "word without its valid bit '110 0{15}1'.*write the file again"),
        (EMPV2.replace("1101 ", "1121 "), "line 5: (word '1121 0000000000000001'|2 words|1 words)"),
        (
            EMPV2.replace("fedcba9876543210", "fedcba987654321"),
            r"line 6: word '0001 fedcba987654321'; expected \(strobe,\)",
        ),
        (EMPV2.replace("Frame 0001", "Frame 0002"), "line 6: frame 'Frame 0002 .*expected 'Frame 0001'"),
        (EMPV2.replace("Frame 0001", "Frame 1"), "line 6: frame 'Frame 1 "),
        (EMPV2.replace("start of orbit, start", "start"), "line 2: metadata 'Metadata: "),
        (EMPV2.replace(" 001\n", " 000\n"), "line 4: link '000'; expected each link once"),
        (EMPV2.replace(" 001\n", " 9999999999999999\n"), "line 4: link '9999999999999999'; .*at most 9999"),
        (EMPV2.replace(" 001\n", "\n"), "line 5: 2 words in .*expected 1, one for each"),
        ("\n".join(EMPV2.split("\n")[:2]), r"capture.txt: ends before its line 'Link  '; the file is truncated"),
        ("ID: CMSSW\n", "capture.txt: ends before its line 'Metadata: "),
        (EMPV1.replace("1v0000", "2v0000"), "line 4: word '2v0000000000000001'; expected 0v or 1v"),
        (EMPV1.replace("q01c1", "x01c1"), "line 2: channel 'x01c1'; expected quad and channel, such as q00c0"),
        (EMPV1.replace("q01c1", "     "), "line 2: 1 words in"),
        (APX.replace("#Sideband ON", "#Sideband OFF"), "line 1: sideband '#Sideband OFF'; expected '#Sideband ON'"),
        (APX.replace("LINK_12", "LANE_12"), "line 2: link 'LANE_12'; expected a label such as LINK_00"),
        (APX.replace("0x0001  ", "0x0002  "), "line 5: frame '0x0002'; expected 0x0001"),
        (APX.replace("0x09 ", ""), "line 5: odd number of words"),
        (APX.replace("#BeginData", "#Data"), "line 3: header '#Data'; expected '#BeginData'"),
        (APX.replace("0x09", "0x123"), "line 5: sideband '0x123'"),
        (EMPV2.replace("CMSSW", "CM\tSSW"), r"line 1: board id 'CM\\tSSW'; expected no tabulator"),
        ("", "capture.txt: not a pattern file; it begins neither with 'ID: '"),
        ("solid cube\nfacet", "capture.txt: not a pattern file"),
        ("ID: caf\u00e9\n", "line 1: character '\u00e9'; expected printable ASCII"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text, message, lenient):
    with pytest.raises(ConfigError, match=message):
        parse(text, "capture.txt", lenient=lenient)


def test_the_number_of_flags_of_a_link_does_not_change():
    text = STROBED.replace("01101 0000000000000002", "1101 0000000000000002")
    with pytest.raises(
        ConfigError, match="line 6: flags '1101 0.*2'; expected 5 digits, as in the first frame of link 8"
    ):
        parse(text)
    assert flags_of(parse(text, lenient=True), 1, 8) == "11011"


def test_comments_and_empty_lines_are_passed_over():
    assert parse("# made by hand\n\n" + EMPV2.replace("Frame 0001", "# half-way\n\nFrame 0001")) == parse(EMPV2)


@given(st.sampled_from([EMPV2, STROBED, EMPV1, APX]), st.data())
@settings(max_examples=200, deadline=None)
def test_damaged_text_is_refused_or_read_never_a_crash(text, data):
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        stop = data.draw(st.integers(at, min(len(text), at + 30)))
        text = text[:at] + data.draw(st.text("01 \tFLq#xIDv:\n\r\x00é9", max_size=6)) + text[stop:]
    for lenient in (False, True):
        with contextlib.suppress(ConfigError):
            board = parse(text, "damaged", lenient=lenient)
            assert parse(render(board, Format.EMPV2)) == board


@given(st.text(max_size=200), st.sampled_from(Format), st.booleans())
@settings(deadline=None)
def test_any_text_is_refused_or_read(text, form, lenient):
    with contextlib.suppress(ConfigError):
        parse(text, form=form, lenient=lenient)


def test_hostile_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("bittrigger.patterns.text.MAX_CHARS", 1000)
    monkeypatch.setattr("bittrigger.patterns.formats.MAX_CHARS", 1000)
    path = tmp_path / "long.txt"
    path.write_text(EMPV2 + "\n" * 10_000)
    with pytest.raises(ConfigError, match="1,001 characters; at most 1,000 are read; split the file"):
        read(path)
    path.write_bytes(b"ID: \xff\xfe\n")
    with pytest.raises(ConfigError, match="line 1: character"):
        read(path)
    with pytest.raises(ConfigError, match="pattern file .*absent.txt: No such file"):
        read(tmp_path / "absent.txt")
    with pytest.raises(ConfigError, match="Is a directory"):
        read(tmp_path)
    with pytest.raises(ConfigError, match="cannot be written: (File exists|Not a directory)"):
        write(path / "a.txt", two_links(), Format.EMPV2)
    with pytest.raises(ConfigError, match="cannot be written"):
        write(tmp_path, two_links(), Format.EMPV2)
    assert [item.name for item in tmp_path.iterdir()] == ["long.txt"]


def test_a_folder_that_is_not_there_is_made(tmp_path):
    path = tmp_path / "new" / "a.txt"
    write(path, two_links(), Format.EMPV2)
    assert read(path) == two_links()


def test_formats_go_by_name():
    assert [parse_format(name) for name in ("EMP", "EMPv1", "EMPv2", "apx", "APx")] == [
        Format.EMPV1,
        Format.EMPV1,
        Format.EMPV2,
        Format.APX,
        Format.APX,
    ]
    with pytest.raises(ConfigError, match="format 'X2O'; allowed are empv1, empv2, apx; X2O has no published reader"):
        parse_format("X2O")
    with pytest.raises(ConfigError, match="'valid' cannot be dropped; allowed are id"):
        render(two_links(), Format.EMPV1, drop=["valid"])


def test_a_board_holds_only_what_a_file_can():
    frames = idle_frames(1, 1)
    with pytest.raises(ConfigError, match=r"board id 'a\\nb'"):
        Board("a\nb", (0,), frames)
    with pytest.raises(ConfigError, match="link 3 is there twice"):
        Board("a", (3, 3), idle_frames(1, 2))
    with pytest.raises(ConfigError, match="link -1; allowed are numbers from 0 to 9999"):
        Board("a", (-1,), frames)
    with pytest.raises(ConfigError, match=r"frames of shape \(1, 1\)"):
        Board("a", (0, 1), frames)
    with pytest.raises(ConfigError, match="a board without links"):
        Board("a", (), idle_frames(1, 0))
    with pytest.raises(ConfigError, match="columns .*needed is data"):
        make_board("a", (0,), datum=[[1]])
    with pytest.raises(ConfigError, match=r"valid of shape \(1,\); data has \(1, 1\)"):
        make_board("a", (0,), data=[[1]], valid=[1])
    board = Board("a", (0,), frames)
    with pytest.raises(ValueError, match="read-only"):
        board.frames["data"][0, 0] = 1
    with pytest.raises(ConfigError, match="link 7 is not there; the board has 0"):
        board.column(7)
    assert board != "a"
