"""Reading a disassembly: opcodes counted, and the digest the same for the same code alone."""

from kernelsearch.toolchain.sass import Sass, read

LISTING = """
	code for sm_90a
		Function : {name}
	.headerflags	@"EF_CUDA_SM90"
        /*0000*/                   LDC R1, c[0x0][0x28] ;                     /* 0x00000a00ff017b82 */
                                                                              /* 0x000ff00000000800 */
        /*0010*/              @!P0 LDG.E.128 R4, desc[UR4][R2.64] ;           /* {encoding} */
        /*0020*/             @!UPT UIADD3 URZ, URZ, URZ, URZ ;                /* 0x000000053f3f7290 */
        /*0030*/               @P0 EXIT ;                                     /* 0x000000000000794d */
        /*0040*/                   BRA 0x40;                                  /* 0xfffffffc00fc7947 */
        /*0050*/                   NOP;                                       /* 0x0000000000007918 */
		..........
"""
OTHER = """
		Function : other
        /*0000*/                   EXIT ;                                     /* 0x000000000000794d */
"""


def listing(name="_Z5scalePf", encoding="0x0000000402007981"):
    return LISTING.format(name=name, encoding=encoding)


def test_opcodes_are_counted_without_predicates_and_padding():
    assert read(listing()).instructions == {"BRA": 1, "EXIT": 1, "LDC": 1, "LDG.E.128": 1, "UIADD3": 1}


def test_a_special_register_is_named():
    code = ("@!P0 CS2R R2, SR_CLOCKLO", "S2R R7, SR_CTAID.X", "S2UR UR4, SR_CLOCKLO", "CS2R.32 R3, SRZ", "CS2R R4, SRZ")
    text = "\t\tFunction : k\n" + "".join(f"        /*00{at}0*/    {line} ;    /* 0x0 */\n" for at, line in enumerate(code))
    counts = {"CS2R SR_CLOCKLO": 1, "S2R SR_CTAID.X": 1, "S2UR SR_CLOCKLO": 1, "CS2R.32": 1, "CS2R": 1}
    assert read(text).instructions == counts


def test_names_encodings_and_order_of_kernels_do_not_count():
    digest = read(listing() + OTHER).digest
    assert read(listing(name="_Z9something")).digest == read(listing()).digest
    assert read(listing(encoding="0x0000000402007fff")).digest == read(listing()).digest
    assert read(OTHER + listing()).digest == digest != read(listing()).digest


def test_operands_count():
    assert read(listing().replace("c[0x0][0x28]", "c[0x0][0x30]")).digest != read(listing()).digest


def test_no_code_is_no_digest():
    assert read("") == read("cuobjdump fatal : no device code") == Sass()
