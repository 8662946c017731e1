"""Names that every language and tool of the flow accepts: C++, SystemVerilog, VHDL, Tcl, the shell and file systems."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

MAX_LENGTH = 64
"""Longest identifier, so that file names and hierarchical paths stay short."""

_CPP = """
alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class co_await
co_return co_yield compl concept const const_cast consteval constexpr constinit continue decltype default delete do
double dynamic_cast else enum explicit export extern false float for friend goto if inline int long mutable namespace
new noexcept not not_eq nullptr operator or or_eq private protected public register reinterpret_cast requires return
short signed sizeof static static_assert static_cast struct switch template this thread_local throw true try typedef
typeid typename union unsigned using virtual void volatile wchar_t while xor xor_eq restrict
main std assert errno stdin stdout stderr null eof linux unix i386 ap_int ap_uint ap_fixed ap_ufixed
"""

_SYSTEMVERILOG = """
accept_on alias always always_comb always_ff always_latch and assert assign assume automatic before begin bind bins
binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle checker class clocking cmos config const
constraint context continue cover covergroup coverpoint cross deassign default defparam design disable dist do edge
else end endcase endchecker endclass endclocking endconfig endfunction endgenerate endgroup endinterface endmodule
endpackage endprimitive endprogram endproperty endsequence endspecify endtable endtask enum event eventually expect
export extends extern final first_match for force foreach forever fork forkjoin function generate genvar global highz0
highz1 if iff ifnone ignore_bins illegal_bins implements implies import incdir include initial inout input inside
instance int integer interconnect interface intersect join join_any join_none large let liblist library local
localparam logic longint macromodule matches medium modport module nand negedge nettype new nexttime nmos nor
noshowcancelled not notif0 notif1 null or output package packed parameter pmos posedge primitive priority program
property protected pull0 pull1 pulldown pullup pulsestyle_ondetect pulsestyle_onevent pure rand randc randcase
randsequence rcmos real realtime ref reg reject_on release repeat restrict return rnmos rpmos rtran rtranif0 rtranif1
s_always s_eventually s_nexttime s_until s_until_with scalared sequence shortint shortreal showcancelled signed small
soft solve specify specparam static string strong strong0 strong1 struct super supply0 supply1 sync_accept_on
sync_reject_on table tagged task this throughout time timeprecision timeunit tran tranif0 tranif1 tri tri0 tri1 triand
trior trireg type typedef union unique unique0 unsigned until until_with untyped use uwire var vectored virtual void
wait wait_order wand weak weak0 weak1 while wildcard wire with within wor xnor xor
"""

_VHDL = """
abs access after alias all and architecture array assert assume assume_guarantee attribute begin block body buffer bus
case component configuration constant context cover default disconnect downto else elsif end entity exit fairness file
for force function generate generic group guarded if impure in inertial inout is label library linkage literal loop map
mod nand new next nor not null of on open or others out package parameter port postponed procedure process property
protected pure range record register reject release rem report restrict restrict_guarantee return rol ror select
sequence severity shared signal sla sll sra srl strong subtype then to transport type unaffected units until use
variable vmode vprop vunit wait when while with xnor xor work ieee
"""

_TCL_AND_FILES = """
after append apply array bgerror break catch cd close concat continue dict encoding eof error eval exec exit expr
fblocked fconfigure fcopy file fileevent flush for foreach format gets glob global history if incr info interp join
lappend lassign lindex linsert list llength load lrange lrepeat lreplace lreverse lsearch lset lsort namespace open
package pid proc puts pwd read refchan regexp regsub rename return scan seek set socket source split string subst
switch tailcall tell throw time trace try unload unset update uplevel upvar variable vwait while yield yieldto zlib
con prn aux nul clk rst
"""

_EMITTED = """
word16 word32 word64 groups_16 groups_32 groups_64 codes operands shared
nan infinity huge_val math_errno isnan bufsiz
int8_max int8_min int16_max int16_min int32_max int32_min int64_max int64_min uint8_max uint16_max uint32_max uint64_max
"""

KEYWORDS = frozenset(f"{_CPP} {_SYSTEMVERILOG} {_VHDL} {_TCL_AND_FILES} {_EMITTED}".split())
"""Words that no name may be, in lower case: reserved words, common macros, the emitted clock and reset, and what the emulator
calls its types, since its structures have members with the names of layers."""


def identifier(name: str) -> str:
    """A safe identifier for ``name``: letters, digits and single underscores, neither at the ends; never a keyword.

    Accented letters lose their accents; every run of other characters becomes one underscore.

    Examples:
        ``identifier("dense 1/relu") == "dense_1_relu"``, ``identifier("signal") == "layer_signal"``.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    text = re.sub(r"[^A-Za-z0-9]+", "_", plain).strip("_")[:MAX_LENGTH].rstrip("_")
    if not text:
        return "layer"
    if text[0].isdigit() or text.lower() in KEYWORDS:
        return f"layer_{text}"[:MAX_LENGTH].rstrip("_")
    return text


class Names:
    """Hands out identifiers, each once; names that differ in case only count as one, as in VHDL and on some disks."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {name.lower() for name in taken}
        self._count: dict[str, int] = {}  # of each name the last number behind it, as those before it stay taken

    def unique(self, name: str) -> str:
        """The identifier of ``name``, with ``_2``, ``_3``, … behind it if it is taken."""
        base = found = identifier(name)
        count = self._count.get(base, 1)
        while found.lower() in self._taken:
            count += 1
            suffix = f"_{count}"
            found = base[: MAX_LENGTH - len(suffix)].rstrip("_") + suffix
        self._taken.add(found.lower())
        self._count[base] = count
        return found


def unique_identifiers(names: Iterable[str]) -> tuple[str, ...]:
    """The identifiers of ``names``, in order and all different."""
    pool = Names()
    return tuple(pool.unique(name) for name in names)
