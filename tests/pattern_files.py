"""Pattern files of each format, as text."""

EVERYTHING = ("id", "start_of_orbit", "start", "last", "strobe")

META = "Metadata: (strobe,) start of orbit, start of packet, end of packet, valid"
EMPV2 = f"""ID: CMSSW
{META}

      Link              000                     001
Frame 0000    1101 0000000000000001  0000 0000000000000000
Frame 0001    0001 fedcba9876543210  0000 0000000000000000
Frame 0002    0011 000000000000000a  0000 0000000000000000
"""
STROBED = f"""ID: board 3
{META}

      Link               008                    012
Frame 0000    11101 0000000000000001  1101 0000000000000003
Frame 0001    01101 0000000000000002  0011 0000000000000004
"""
EMPV1 = """Board CMSSW
 Quad/Chan :         q01c1                  q02c0
      Link :          005                    008
Frame 0000 :   1v0000000000000001   1s0v00000000000000ff
Frame 0001 :   0v0000000000000000   0s1v0000000000000100
"""
APX = """#Sideband ON
#LinkLabel                LINK_00                    LINK_12
#BeginData
0x0000    0x07 0x0000000000000001    0x00 0x0000000000000000
0x0001    0x09 0xfedcba9876543210    0x00 0x0000000000000000
"""
