"""Pickles that, where a plain unpickler reads them, run code, forge what NumPy trusts or ask for more than there is."""

import io
import pickle
import struct

import numpy as np

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
ARRAY = np.arange(6, dtype=np.uint8).reshape(2, 3)


class Call:
    """Is pickled as a call of module.name."""

    def __init__(self, module, name, *arguments):
        self.function, self.arguments = Function(module, name), arguments


class Function:
    def __init__(self, module, name):
        self.module, self.name = module, name


class _Pickler(pickle._Pickler):
    """Writes names of what need not exist here."""

    def save(self, obj, **kwargs):
        if isinstance(obj, Function):
            self.save_name(obj.module, obj.name)
        elif isinstance(obj, Call):
            self.save(obj.function)
            self.save(tuple(obj.arguments))
            self.write(pickle.REDUCE)
        else:
            super().save(obj, **kwargs)

    def save_name(self, module, name):
        if self.proto >= 4:
            self.save(module)
            self.save(name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())


def dumps(obj, protocol):
    file = io.BytesIO()
    _Pickler(file, protocol).dump(obj)
    return file.getvalue()


def calls(module, name, *arguments):
    """An attack: the call of a function, {} in its arguments being the canary, alone and beside good data."""

    def attack(canary):
        filled = [a.replace("{}", canary) if isinstance(a, str) else a for a in arguments]
        for protocol in PROTOCOLS:
            yield dumps(Call(module, name, *filled), protocol)
            yield dumps([ARRAY, Call(module, name, *filled)], protocol)

    return attack


def raw(*parts):
    """An attack of given bytes."""
    return lambda canary: [b"".join(parts).replace(b"CANARY", canary.encode())]


def text(word):
    return pickle.BINUNICODE + struct.pack("<I", len(word)) + word.encode()


TOUCH = "__import__('os').mkdir('{}')"
SYSTEM = b"(S'mkdir CANARY'\n"
DTYPE = b"cnumpy\ndtype\n"
RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
NDARRAY = b"cnumpy\nndarray\n"
BYTE = DTYPE + b"(S'u1'\nI00\nI01\ntR"
EMPTY = RECONSTRUCT + b"(" + NDARRAY + b"(I0\ntS'b'\ntR"


def state(shape, dtype, data):
    return b"(I1\n" + shape + dtype + b"I00\n" + data + b"tb"


# A structure of one object whose dtype says that it has none: eight bytes of the file become a pointer.
FORGED = (
    DTYPE + b"(S'V8'\nI00\nI01\ntR(I3\nS'|'\nN(S'a'\nt(dS'a'\n(" + DTYPE + b"(S'O8'\nI00\nI01\ntRI0\ntsI8\nI1\nI0\ntb"
)

ATTACKS = {
    "os.system": calls("os", "system", "mkdir {}"),
    "posix.system": calls("posix", "system", "mkdir {}"),
    "nt.system": calls("nt", "system", "mkdir {}"),
    "subprocess.Popen": calls("subprocess", "Popen", ["mkdir", "{}"]),
    "subprocess.call": calls("subprocess", "getoutput", "mkdir {}"),
    "eval": calls("builtins", "eval", TOUCH),
    "exec": calls("builtins", "exec", TOUCH),
    "python2's eval": calls("__builtin__", "eval", TOUCH),
    "python2's execfile": calls("__builtin__", "execfile", "{}"),
    "open": calls("builtins", "open", "{}", "w"),
    "io.open": calls("io", "open", "{}", "w"),
    "os.mkdir": calls("os", "mkdir", "{}"),
    "pathlib": calls("pathlib", "PosixPath", "{}"),
    "getattr": calls("builtins", "getattr", Function("numpy", "dtype"), "__reduce__"),
    "import": calls("importlib", "import_module", "antigravity"),
    "operator": calls("operator", "attrgetter", "__globals__"),
    "partial": calls("functools", "partial", Function("os", "system"), "mkdir {}"),
    "map": calls("builtins", "map", Function("os", "mkdir"), ["{}"]),
    "timeit": calls("timeit", "timeit", TOUCH),
    "pdb": calls("pdb", "run", TOUCH),
    "code": calls("code", "InteractiveInterpreter"),
    "runpy": calls("runpy", "_run_code", TOUCH, {}),
    "numpy.load": calls("numpy", "load", "{}", None, True),
    "numpy.save": calls("numpy", "save", "{}", 1),
    "numpy.memmap": calls("numpy", "memmap", "{}", "u1", "w+", 0, 1),
    "numpy.fromfile": calls("numpy", "fromfile", "/proc/self/environ", "u1"),
    "numpy.loadtxt": calls("numpy", "loadtxt", "/etc/hostname"),
    "numpy.runstring": calls("numpy.testing._private.utils", "runstring", TOUCH, {}),
    "numpy.old runstring": calls("numpy.testing", "runstring", TOUCH, {}),
    "numpy.f2py": calls("numpy.f2py", "compile", "end"),
    "numpy.f2py eval": calls("numpy.f2py.crackfortran", "myeval", TOUCH),
    "numpy.distutils": calls("numpy.distutils.exec_command", "exec_command", "mkdir {}"),
    "numpy.ctypes": calls("numpy.ctypeslib", "load_library", "{}", "."),
    "numpy's os": calls("numpy.core.multiarray", "os.system", "mkdir {}"),
    "numpy.core.os": calls("numpy.core.os", "system", "mkdir {}"),
    "dotted globals": calls("numpy.core.multiarray", "_reconstruct.__globals__"),
    "dotted self": calls("_codecs", "encode.__self__.open", "{}", "w"),
    "dotted class": calls("numpy", "ndarray.__class__.__subclasses__"),
    "dotted tofile": calls("numpy", "ndarray.tofile", ARRAY, "{}"),
    "ndarray": calls("numpy", "ndarray", (1, 1), "O"),
    "trailing newline": calls("numpy ", "dtype", "u1"),
    "codecs.open": calls("codecs", "open", "{}", "w"),
    "odd codec": calls("_codecs", "encode", "x", "rot13"),
    "zip codec": calls("_codecs", "encode", "x", "zlib_codec"),
    "codec of a module": calls("_codecs", "encode", "x", "../../x"),
    "codec handler": calls("_codecs", "encode", "x\ud800", "ascii", "strict"),
    "instance": raw(SYSTEM, b"ios\nsystem\n."),
    "object": raw(b"(cos\nsystem\nS'mkdir CANARY'\no."),
    "new object": raw(b"\x80\x02", NDARRAY, b"K\x01\x85\x81."),
    "new object with keywords": raw(b"\x80\x04", text("numpy"), text("ndarray"), b"\x93)}\x92."),
    "new dtype": raw(b"\x80\x02", DTYPE, b"X\x01\0\0\0O\x85\x81."),
    "extension 1": raw(b"\x80\x02\x82\x01."),
    "extension 2": raw(b"\x80\x02\x83\x01\x01."),
    "extension 4": raw(b"\x80\x02\x84\x01\x01\x01\x01."),
    "persistent name": raw(b"Pos.system\n."),
    "persistent object": raw(b"S'os.system'\nQ."),
    "out of band buffer": raw(b"\x80\x05\x97\x98."),
    "state of a function": raw(RECONSTRUCT, b"(N(dS'__defaults__'\n(NNNtst", b"b."),
    "state of a function's dict": raw(b"c_codecs\nencode\n(dS'x'\nI1\nsb."),
    "state of a class": raw(NDARRAY, b"(dS'__setstate__'\ncos\nsystem\nsb."),
    "state of a type": raw(DTYPE, b"(dS'__setstate__'\ncos\nsystem\nsb."),
    "state of a list": raw(b"](dS'append'\ncos\nsystem\nsb."),
    "items of an array": raw(EMPTY, b"I0\ncos\nsystem\ns."),
    "items of a type": raw(DTYPE, b"S'x'\nI1\ns."),
    "appended to a function": raw(b"c_codecs\nencode\nI1\na."),
    "object dtype": raw(DTYPE, b"(S'O8'\nI00\nI01\ntR."),
    "object array": lambda _: [pickle.dumps(np.array([None, "a"], object), p) for p in PROTOCOLS],
    "structure": lambda _: [pickle.dumps(np.zeros(2, [("a", "O"), ("b", "i4")]), p) for p in PROTOCOLS],
    "forged structure": raw(EMPTY, state(b"(I1\nt", FORGED, b"S'AAAAAAAA'\n"), b"."),
    "forged alone": raw(b"(", EMPTY, state(b"(I1\nt", FORGED, b"S'AAAAAAAA'\n"), b"I1\nt."),
    "forged size": raw(
        EMPTY, state(b"(I4\nt", BYTE + b"(I3\nS'|'\nNNNI1000000\nI1\nI0\ntb", b"S'abcd'\n"), BYTE, b"0(l."
    ),
    "shape beyond the data": raw(EMPTY, state(b"(I1000000\nt", BYTE, b"S'abcd'\n"), b"."),
    "negative shape": raw(EMPTY, state(b"(I-4\nI-1\nt", BYTE, b"S'abcd'\n"), b"."),
    "overflowing shape": raw(EMPTY, state(b"(L4294967296L\nL4294967296L\nI4\nt", BYTE, b"S'abcd'\n"), b"."),
    "list for data": raw(EMPTY, state(b"(I2\nt", BYTE, b"(lI1\naI2\na"), b"."),
    "scalar of objects": raw(b"cnumpy.core.multiarray\nscalar\n(", DTYPE, b"(S'O8'\nI00\nI01\ntRI5\ntR."),
}


def size8(opcode, size):
    return [b"\x80\x05" + opcode + struct.pack("<Q", size) + b"abc."]


def lists_of_lists(depth):
    """[[[...] x 10] x 10]: ten references to the list before."""
    return (
        b"(lp0\n0" + b"".join(b"(" + b"g%d\n" % i * 10 + b"lp%d\n0" % (i + 1) for i in range(depth)) + b"g%d\n" % depth
    )


def tuples_of_tuples(depth):
    return b"(tp0\n0" + b"".join(b"(g%d\ng%d\ntp%d\n0" % (i, i, i + 1) for i in range(depth)) + b"g%d\n" % depth


BIG_ARRAY = EMPTY + state(b"(I100000\nt", BYTE, b"S'" + b"a" * 100000 + b"'\n")
BOMBS = {
    "lists of lists": lambda: [b"(" + lists_of_lists(d) + lists_of_lists(d) + b"l." for d in (7, 9, 12, 300)],
    "tuples of tuples": lambda: [b"(" + tuples_of_tuples(d) + b"I1\nl." for d in (30, 64, 2000)],
    "tuples as a key": lambda: [b"(d" + tuples_of_tuples(d) + b"I1\ns." for d in (40, 64)]
    + [b"(" + tuples_of_tuples(64) + b"I1\nd.", b"\x80\x02}(" + tuples_of_tuples(64) + b"I1\nu."],
    "tuples in a set": lambda: [
        b"\x80\x04\x8f(" + tuples_of_tuples(64) + b"\x90.", b"\x80\x04(" + tuples_of_tuples(64) + b"\x91.",
    ],
    "an array over and over": lambda: [b"(" + BIG_ARRAY + b"p1\n" + b"g1\n" * 200000 + b"lI1\nl."],
    "a list of itself": lambda: [b"(lp0\ng0\na.", b"(lp0\ng0\nag0\na."],
    "deep lists": lambda: [b"(" * n + b"l" * n + b"." for n in (2000, 200000)],
    "memo": lambda: [b"\x80\x02Nr\xff\xff\xff\x7f.", b"\x80\x02Nr\xff\xff\xff\xff.", b"Np2147483647\n."],
    "bytes": lambda: [c for n in (2**31, 2**40, 2**62) for c in size8(pickle.BINBYTES8, n)],
    "bytearray": lambda: [c for n in (2**33, 2**35, 2**40, 2**63) for c in size8(pickle.BYTEARRAY8, n)],
    "text": lambda: [c for n in (2**31, 2**40) for c in size8(pickle.BINUNICODE8, n)],
    "frame": lambda: [c for n in (2**31, 2**40, 2**64 - 1) for c in size8(pickle.FRAME, n)],
    "long": lambda: [b"\x80\x02\x8b\xff\xff\xff\x7fabc.", b"\x80\x02\x8b\xff\xff\xff\xffabc."],
    "a long's digits": lambda: [b"L" + b"9" * 10**6 + b"L\n."],
    "shape": lambda: [
        RECONSTRUCT + b"(" + NDARRAY + b"(L%dL\ntS'b'\ntR." % n for n in (10**10, 10**13, 2**62)
    ],
    "scalar": lambda: [
        b"cnumpy.core.multiarray\nscalar\n(" + DTYPE + b"(S'%s'\nI00\nI01\ntRtR." % code
        for code in (b"U500000000", b"S2000000000", b"V2000000000")
    ],
    "shape of a buffer": lambda: [
        b"\x80\x04" + text("numpy.core.numeric") + text("_frombuffer") + b"\x93(C\x02ab" + BYTE + b"(L%dL\nt" % n
        + text("C") + b"tR." for n in (10**12, -1)
    ],
    "codec": lambda: [b"c_codecs\nencode\n(V" + b"a" * 10**6 + b"\nS'%s'\ntR." % c for c in (b"idna", b"punycode")],
    "an endless dtype": lambda: [DTYPE + b"(S'" + b"i4," * 10**5 + b"'\nI00\nI01\ntR."],
    "a name": lambda: [b"c" + b"a" * 10**6 + b"\nb\n."],
}  # fmt: skip

_PIECES = [
    BYTE, EMPTY, DTYPE, RECONSTRUCT, NDARRAY, b"c_codecs\nencode\n", b"cnumpy.core.multiarray\nscalar\n",
    b"cnumpy.core.numeric\n_frombuffer\n", b"(", b"t", b"l", b"d", b"R", b"b", b"s", b"u", b"a", b"e", b"0", b"1",
    b"2", b"N", b")", b"]", b"}", b"\x85", b"\x86", b"\x87", b"\x81", b"\x93", b"\x88", b"I1\n", b"I0\n", b"I-1\n",
    b"F1e999\n", b"S'abcdefgh'\n", b"S'u1'\n", b"S'|'\n", b"S'f8'\n", b"S'O'\n", b"S'latin1'\n", b"Vx\n", b"K\x08",
    b"C\x04abcd", b"p0\n", b"g0\n", b"p1\n", b"g1\n", b"(I3\nS'|'\nNNNI-1\nI-1\nI0\ntb", b"(I1\n(I2\nt",
    b"I00\nS'ab'\ntb", FORGED, b"cos\nmkdir\n", b"\x80\x04",
]  # fmt: skip


def random_opcodes(rng, canary):
    """A random sequence of opcodes of the kinds above."""
    pieces = [*_PIECES, b"S'%s'\n" % canary.encode()]
    return b"".join(pieces[i] for i in rng.integers(len(pieces), size=rng.integers(3, 25))) + b"."
