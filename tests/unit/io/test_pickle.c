/* Pickles with instructions that are not read, or lie about what they hold: each is refused with a message that says
 * what and at which byte. All are the data.pkl of an archive with one storage, '0', of six floats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/checkpoint.h"
#include "tests/support/folder.h"
#include "tests/unit/io/torch_archive.h"

#define REFUSED "; only tensors and the containers around them are read (nothing in the file was executed)"
#define ORDERED "ccollections\nOrderedDict\n)R"
#define ID(class, key, location, elements) "(X\7\0\0\0storage" class "X\1\0\0\0" key "X\3\0\0\0" location elements "tQ"
#define FLOATS ID("ctorch\nFloatStorage\n", "0", "cpu", "K\6")
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n"
#define TENSOR(storage, offset, size, stride) REBUILD "(" storage offset size stride "\x89" ORDERED "tR"
#define VECTOR TENSOR(FLOATS, "K\0", "K\6\x85", "K\1\x85")
#define NAMED(tensor) "\x80\2}X\1\0\0\0t" tensor "s."
#define LARGE "\x8a\10\377\377\377\377\377\377\377\177" /* 2^63 - 1 */
#define CASE(bytes, message)                                                                                           \
    { bytes, sizeof bytes - 1, message }

typedef struct hostile {
    const char *bytes;
    size_t size;
    const char *message; /* after "data.pkl, byte ", or NULL where it is read */
} hostile;

static const float VALUES[6] = {0, 1, 2, 3, 4, 5};

static ss_status open_pickle(const char *bytes, size_t size, checkpoint **st, ss_error *err) {
    archive a = {.bytes = malloc(size + 1024)};
    const archive_record records[] = {{"m/data.pkl", bytes, size, 0}, {"m/data/0", VALUES, sizeof VALUES, 0}};
    assert_non_null(a.bytes);
    archive_make(&a, records, 2);
    FILE *f = fopen(folder_at("a.pt"), "wb");
    assert_true(f && fwrite(a.bytes, a.size, 1, f) == 1 && fclose(f) == 0);
    free(a.bytes);
    return checkpoint_open(st, folder_at("a.pt"), err);
}

static void expect(const hostile *c, const char *prefix) {
    ss_error err = {0};
    checkpoint *st;
    char message[512];
    ss_status status = open_pickle(c->bytes, c->size, &st, &err);
    snprintf(message, sizeof message, "%s%s", prefix, c->message ? c->message : "");
    if (c->message ? strcmp(err.message, message) != 0 || status == SS_OK : status != SS_OK)
        fail_msg("expected: %s\n  found: %s", c->message ? message : "no error",
                 status == SS_OK ? "no error" : err.message);
    checkpoint_close(st);
    if (!c->message) return;
    assert_int_equal(status, SS_ERR_INPUT);
    assert_string_equal(err.where, folder_at("a.pt"));
    assert_null(st);
}

#define EXPECT_ALL(cases, prefix)                                                                                      \
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) expect(&cases[i], prefix)

/* What would run a program, in every way that a pickle has to name one. */
static void test_names(void **state) {
    (void)state;
    static const hostile cases[] = {
        CASE("\x80\2cos\nsystem\nX\4\0\0\0true\x85R.", "2: asks for os.system" REFUSED),
        CASE("\x80\2cposix\nsystem\n(X\4\0\0\0truetR.", "2: asks for posix.system" REFUSED),
        CASE("\x80\2cnt\nsystem\n.", "2: asks for nt.system" REFUSED),
        CASE("\x80\2csubprocess\nPopen\n.", "2: asks for subprocess.Popen" REFUSED),
        CASE("\x80\2}X\1\0\0\0wcbuiltins\neval\nX\3\0\0\0001+1\x85Rs.", "9: asks for builtins.eval" REFUSED),
        CASE("\x80\2c__builtin__\neval\n.", "2: asks for __builtin__.eval" REFUSED),
        CASE("\x80\2cbuiltins\ngetattr\n.", "2: asks for builtins.getattr" REFUSED),
        CASE("\x80\4\x8c\2os\x8c\6system\x93.", "14: asks for os.system" REFUSED),
        CASE("\x80\4\x95\20\0\0\0\0\0\0\0\x8c\2os\x94\x8c\6system\x94\x93.", "25: asks for os.system" REFUSED),
        CASE("\x80\4X\2\0\0\0os\x8d\6\0\0\0\0\0\0\0system\x93.", "24: asks for os.system" REFUSED),
        CASE("\x80\2U\2osU\6system\x93.", "14: asks for os.system" REFUSED),
        CASE("\x80\4](\x8c\6system\x94\x8c\2osh\0e0h\0\x93.", "23: takes something off an empty stack"),
        CASE("\x80\4\x8c\6system\x94"
             "0\x8c\2osh\0\x93.",
             "18: asks for os.system" REFUSED),
        CASE("\x80\4K\1K\2\x93.", "6: imports an integer out of an integer; expected two texts"),
        CASE("\x80\4\x8c\2osNN\x93.", "8: imports None out of None; expected two texts"),
        /* near the names that are known */
        CASE("\x80\2ccollections\nOrderedDict.fromkeys\n.", "2: asks for collections.OrderedDict.fromkeys" REFUSED),
        CASE("\x80\2ccollections.OrderedDict\n\n.", "2: asks for collections.OrderedDict." REFUSED),
        CASE("\x80\2ccollections\nordereddict\n.", "2: asks for collections.ordereddict" REFUSED),
        CASE("\x80\2ccollections\nOrderedDict \n.", "2: asks for collections.OrderedDict " REFUSED),
        CASE("\x80\2ccollections\nOrderedDict\0\n.", "2: asks for collections.OrderedDict?" REFUSED),
        CASE("\x80\2ccollections\nOrdered\n.", "2: asks for collections.Ordered" REFUSED),
        CASE("\x80\2ctorch\nload\n.", "2: asks for torch.load" REFUSED),
        CASE("\x80\2ctorch\n_utils._rebuild_tensor_v2\n.", "2: asks for torch._utils._rebuild_tensor_v2" REFUSED),
        CASE("\x80\2ctorch._utils\n_rebuild_tensor_v3\n.", "2: asks for torch._utils._rebuild_tensor_v3" REFUSED),
        CASE("\x80\2ctorch\nComplexFloatStorage\n.", "2: asks for torch.ComplexFloatStorage" REFUSED),
        CASE("\x80\2ctorchvision.models.resnet\nResNet\n)\x81}b.",
             "2: asks for torchvision.models.resnet.ResNet" REFUSED),
        CASE("\x80\2cnumpy.core.multiarray\n_reconstruct\n.", "2: asks for numpy.core.multiarray._reconstruct" REFUSED),
        /* names that would do harm to a terminal or a message */
        CASE("\x80\2c\33[2J\x9b\r\nx\ty\x7f\n.", "2: asks for ?[2J??.x?y?" REFUSED),
        CASE("\x80\2ca%s%n\n%s\n.", "2: asks for a%s%n.%s" REFUSED),
        CASE("\x80\2cos\nsystem", "2: has a name without an end (truncated?)"),
        CASE("\x80\2cos", "2: has a name without an end (truncated?)"),
        CASE("\x80\2c", "2: has a name without an end (truncated?)"),
    };
    EXPECT_ALL(cases, "data.pkl, byte ");
}

static void test_opcodes(void **state) {
    (void)state;
    static const hostile cases[] = {
        CASE("\x80\2(ios\nsystem\n.", "3: has the opcode 0x69, INST" REFUSED),
        CASE("\x80\2(cos\nsystem\no.", "3: asks for os.system" REFUSED),
        CASE("\x80\2("
             "ccollections\nOrderedDict\no.",
             "28: has the opcode 0x6f, OBJ" REFUSED),
        CASE("\x80\2\x82\1.", "2: has the opcode 0x82, EXT1" REFUSED),
        CASE("\x80\2\x83\1\0.", "2: has the opcode 0x83, EXT2" REFUSED),
        CASE("\x80\2\x84\1\0\0\0.", "2: has the opcode 0x84, EXT4" REFUSED),
        CASE("\x80\4"
             "ccollections\nOrderedDict\n)}\x92.",
             "29: has the opcode 0x92, NEWOBJ_EX" REFUSED),
        CASE("\x80\2Pstorage\n.", "2: has the opcode 0x50, PERSID" REFUSED),
        CASE("\x80\2I1\n.", "2: has the opcode 0x49, INT" REFUSED),
        CASE("\x80\2S'x'\n.", "2: has the opcode 0x53, STRING" REFUSED),
        CASE("\x80\4\x8f.", "2: has the opcode 0x8f, EMPTY_SET" REFUSED),
        CASE("\x80\5\x97.", "2: has the opcode 0x97, NEXT_BUFFER" REFUSED),
        CASE("\x80\2\xff.", "2: has the opcode 0xff" REFUSED),
        CASE("\x80\2\0.", "2: has the opcode 0x00" REFUSED),
        CASE("}.", "0: begins with 0x7d; expected a pickle of protocol 2 to 5, which begins with 0x80"),
        CASE("(dp0\n.", "0: begins with 0x28; expected a pickle of protocol 2 to 5, which begins with 0x80"),
        CASE("\x80\1}.", "0: is of pickle protocol 1; expected 2 to 5"),
        CASE("\x80\6}.", "0: is of pickle protocol 6; expected 2 to 5"),
        CASE("\x80\2\x80\2}.", "2: is a second beginning of the pickle"),
        CASE("\x80\5}.", NULL),
        CASE("", "0: the pickle ends without a STOP (truncated?)"),
        CASE("\x80", "0: needs 1 bytes; 0 follow (truncated?)"),
        CASE("\x80\2}", "3: the pickle ends without a STOP (truncated?)"),
    };
    EXPECT_ALL(cases, "data.pkl, byte ");
}

static void test_calls(void **state) {
    (void)state;
    static const hostile cases[] = {
        CASE("\x80\2})R.", "4: calls a dict; expected a name"),
        CASE("\x80\2NN\x81.", "4: calls None; expected a name"),
        CASE("\x80\2"
             "ccollections\nOrderedDict\n]R.",
             "28: calls OrderedDict with a list; expected a tuple of arguments"),
        CASE("\x80\2"
             "ccollections\nOrderedDict\n}\x85R.",
             "29: makes an OrderedDict of a dict; expected a list of pairs"),
        CASE("\x80\2"
             "ccollections\nOrderedDict\n]]\x86R.",
             "30: makes an OrderedDict of 2 arguments"),
        CASE("\x80\2"
             "ccollections\nOrderedDict\n](Ne\x85R.",
             "32: makes an OrderedDict of a list with None in it; expected pairs"),
        CASE("\x80\2"
             "ccollections\nOrderedDict\n](](K\1ee\x85R.",
             "36: makes an OrderedDict of a list with a list in it; expected pairs"),
        CASE("\x80\2ctorch\nFloatStorage\n)R.", "23: makes a new FloatStorage" REFUSED),
        CASE("\x80\2ctorch\nFloatStorage\n)\x81.", "23: makes a new FloatStorage" REFUSED),
        CASE("\x80\2" REBUILD ")\x81.", "36: makes a new _rebuild_tensor_v2" REFUSED),
        CASE("\x80\2" REBUILD ")R.", "36: calls _rebuild_tensor_v2 with 0 arguments; expected at least 6"),
        CASE("\x80\2" REBUILD "(NNNNNtR.", "42: calls _rebuild_tensor_v2 with 5 arguments; expected at least 6"),
        CASE("\x80\2" REBUILD "(NNNNNNtR.", "43: calls _rebuild_tensor_v2 with None; expected a storage"),
        CASE("\x80\2ctorch._utils\n_rebuild_parameter\n" FLOATS "\x89N\x87R.",
             "89: calls _rebuild_parameter with a storage; expected a tensor"),
        CASE("\x80\2ctorch\nSize\n)R.", "15: makes a torch.Size of other than one tuple"),
        CASE("\x80\2ctorch\nSize\n]\x85R.", "16: makes a torch.Size of other than one tuple"),
        CASE("\x80\2}}b.", "4: sets the state of a dict" REFUSED),
        CASE("\x80\2]}b.", "4: sets the state of a list" REFUSED),
        CASE("\x80\2ctorch\nSize\n}b.", "15: sets the state of a name" REFUSED),
        CASE("\x80\2" VECTOR "}b.", "126: sets the state of a tensor" REFUSED),
        CASE("\x80\2" ORDERED "}X\11\0\0\0_metadata}sb.", NULL),
        CASE("\x80\2"
             "cargparse\nNamespace\n)\x81}X\1\0\0\0xK\1sb\x85.",
             NULL),
        CASE("\x80\2"
             "cargparse\nNamespace\n)\x81}X\1\0\0\0xcos\nsystem\nsb.",
             "31: asks for os.system" REFUSED),
        /* ids of things outside of the pickle */
        CASE("\x80\2X\1\0\0\0xQ.",
             "8: refers to something outside of the pickle by an id that is not a tuple; expected that of a storage"),
        CASE("\x80\2(NtQ.", "5: refers to something outside of the pickle by an id that is not a tuple of five or six; "
                            "expected that of a storage"),
        CASE("\x80\2(X\6\0\0\0modulectorch\nFloatStorage\nNNNtQ.",
             "38: refers to something outside of the pickle by an id that does not begin with \"storage\"; expected "
             "that of "
             "a storage"),
        CASE("\x80\2" ID("ctorch\nSize\n", "0", "cpu", "K\1") ".",
             "44: refers to something outside of the pickle by an id that has no storage class; expected that of a "
             "storage"),
        CASE("\x80\2(X\7\0\0\0storagectorch\nFloatStorage\nNNNtQ.",
             "39: refers to something outside of the pickle by an id that has a key that is not a text; expected that "
             "of a "
             "storage"),
        CASE(
            "\x80\2" ID("ctorch\nFloatStorage\n", "0", "cpu", "J\xff\xff\xff\xff") ".",
            "55: refers to something outside of the pickle by an id that has no number of elements; expected that of a "
            "storage"),
        CASE("\x80\2" ID("ctorch\nFloatStorage\n", "0", "cpu", "K\6)") ".",
             "53: refers to something outside of the pickle by an id that has a view that is not a tuple of three; "
             "expected "
             "that of a storage"),
        CASE("\x80\2" ID("ctorch\nFloatStorage\n", "0", "cpu", "K\6(NNNt") ".",
             "57: refers to something outside of the pickle by an id that has a view without offset and number of "
             "elements; "
             "expected that of a storage"),
    };
    EXPECT_ALL(cases, "data.pkl, byte ");
}

static void test_stack_and_memo(void **state) {
    (void)state;
    static const hostile cases[] = {
        CASE("\x80\2.", "2: stops with 0 objects and 0 marks on the stack; expected one object"),
        CASE("\x80\2NN.", "4: stops with 2 objects and 0 marks on the stack; expected one object"),
        CASE("\x80\2}(.", "4: stops with 1 objects and 1 marks on the stack; expected one object"),
        CASE("\x80\0020.", "2: takes something off an empty stack"),
        CASE("\x80\2}(0.", "4: takes something off an empty stack"),
        CASE("\x80\2}(\x85.", "4: takes something off an empty stack"),
        CASE("\x80\2N\x86.", "3: takes something off an empty stack"),
        CASE("\x80\2R.", "2: takes something off an empty stack"),
        CASE("\x80\2b.", "2: takes something off an empty stack"),
        CASE("\x80\2Q.", "2: takes something off an empty stack"),
        CASE("\x80\2q\0.", "2: takes something off an empty stack"),
        CASE("\x80\2t.", "2: goes back to a mark; there is none"),
        CASE("\x80\0021.", "2: goes back to a mark; there is none"),
        CASE("\x80\2(NNe.", "5: takes something off an empty stack"),
        CASE("\x80\2Na.", "3: takes something off an empty stack"),
        CASE("\x80\2}NNNu.", "6: goes back to a mark; there is none"),
        CASE("\x80\2}(NNNu.", "7: has a key without a value"),
        CASE("\x80\2(Nd.", "4: has a key without a value"),
        CASE("\x80\2]NNs.", "5: puts items into a list; expected a dict"),
        CASE("\x80\2}Na.", "4: puts items into a dict; expected a list"),
        CASE("\x80\2)(Ne.", "5: puts items into a tuple; expected a list"),
        CASE("\x80\2h\0.", "2: takes object 0 out of the memo; there is none"),
        CASE("\x80\2}q\1h\2.", "5: takes object 2 out of the memo; there is none"),
        CASE("\x80\2}j\xff\xff\xff\xff.", "3: takes object 4294967295 out of the memo; there is none"),
        CASE("\x80\2}r\xff\xff\xff\xff.", "3: puts object 4294967295 into the memo; so many cannot have been made"),
        CASE("\x80\2}q\5.", "3: puts object 5 into the memo; so many cannot have been made"),
        /* lengths that the file does not have */
        CASE("\x80\2X\xff\xff\xff\xffx.", "2: needs 4294967295 bytes; 2 follow (truncated?)"),
        CASE("\x80\2T\xff\xff\xff\xffx.", "2: needs 4294967295 bytes; 2 follow (truncated?)"),
        CASE("\x80\4\x8d\xff\xff\xff\xff\xff\xff\xff\xffx.",
             "2: needs 18446744073709551615 bytes; 2 follow (truncated?)"),
        CASE("\x80\4\x8e\xff\xff\xff\xff\xff\xff\xff\x7fx.",
             "2: needs 9223372036854775807 bytes; 2 follow (truncated?)"),
        CASE("\x80\2\x8b\xff\xff\xff\xffx.", "2: needs 4294967295 bytes; 2 follow (truncated?)"),
        CASE("\x80\2\x8a\5x.", "2: needs 5 bytes; 2 follow (truncated?)"),
        CASE("\x80\2J\1", "2: needs 4 bytes; 1 follow (truncated?)"),
        CASE("\x80\4\x95\x04\0\0\0\0\0\0\0}.", "2: has a frame of 4 bytes; 2 follow (truncated?)"),
        /* what is at the root */
        CASE("\x80\2N.", "2: the file holds None; expected a dict of tensors"),
        CASE("\x80\2" VECTOR ".", "124: the file holds a tensor; expected a dict of tensors"),
    };
    EXPECT_ALL(cases, "data.pkl, byte ");
}

/* Tensors that do not fit their storage, or cannot be named. */
static void test_tensors(void **state) {
    (void)state;
    static const hostile cases[] = {
        CASE(NAMED(VECTOR), NULL),
        CASE(NAMED(TENSOR(FLOATS, "K\1", "K\6\x85", "K\1\x85")), "t runs past the end of its storage of 6 elements"),
        CASE(NAMED(TENSOR(FLOATS, LARGE, "K\6\x85", "K\1\x85")), "t runs past the end of its storage of 6 elements"),
        CASE(NAMED(TENSOR(FLOATS, "K\0", "K\3K\2\x86", "K\3K\1\x86")),
             "t runs past the end of its storage of 6 elements"),
        CASE(NAMED(TENSOR(FLOATS, "K\0", "K\2\x85", LARGE "\x85")), "t runs past the end of its storage of 6 elements"),
        CASE(NAMED(TENSOR(FLOATS, "K\0", "K\3\x85", LARGE "\x85")), "t runs past the end of its storage of 6 elements"),
        CASE(NAMED(TENSOR(FLOATS, "K\6", ")", ")")), "t runs past the end of its storage of 6 elements"),
        CASE(NAMED(TENSOR(FLOATS, "K\5", ")", ")")), NULL),
        CASE(NAMED(TENSOR(FLOATS, "K\0", "K\1\x85", LARGE "\x85")), NULL), /* the stride of one element */
        CASE(NAMED(TENSOR(FLOATS, LARGE, "K\0\x85", LARGE "\x85")), NULL), /* nothing is nowhere */
        CASE(NAMED(TENSOR(FLOATS, "J\xff\xff\xff\xff", ")", ")")), "t has no non-negative integer for its offset"),
        CASE(NAMED(TENSOR(FLOATS, "N", ")", ")")), "t has no non-negative integer for its offset"),
        CASE(NAMED(TENSOR(FLOATS, "K\0", "N", ")")),
             "t has None for its shape and a tuple for its strides; expected tuples"),
        CASE(NAMED(TENSOR(FLOATS, "K\0", "K\6\x85", ")")), "t has 1 dimensions and 0 strides"),
        CASE(NAMED(TENSOR(FLOATS, "K\0", "N\x85", "K\1\x85")),
             "t has other than non-negative integers for its shape and strides"),
        CASE(NAMED(TENSOR(FLOATS, "K\0", "J\xff\xff\xff\xff\x85", "K\1\x85")),
             "t has other than non-negative integers for its shape and strides"),
        CASE(NAMED(TENSOR(FLOATS, "K\0", "K\2\x85", "J\xff\xff\xff\xff\x85")),
             "t has other than non-negative integers for its shape and strides"),
        CASE(NAMED(TENSOR(FLOATS, "K\0", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t", ")")),
             "t has 9 dimensions; at most 8 are expected"),
        CASE(NAMED(TENSOR(FLOATS, "K\0", LARGE "K\2\x86", "K\0K\0\x86")),
             "t has a shape whose number of elements does not fit 63 bits"),
        CASE(NAMED(TENSOR(FLOATS, "K\0", LARGE "\x85", "K\0\x85")),
             "t repeats the elements of its storage (9223372036854775807 from a file of 376 bytes); save a contiguous "
             "copy"),
        CASE(NAMED(TENSOR(FLOATS, "K\0", "M\xff\xff\x85", "K\0\x85")),
             "t repeats the elements of its storage (65535 from a file of 369 bytes); save a contiguous copy"),
        CASE(NAMED(TENSOR(ID("ctorch\nFloatStorage\n", "0", "cpu", "K\7"), "K\0", ")", ")")),
             "data.pkl, byte 93: needs 7 elements of storage '0'; the file has 24 bytes"),
        CASE(NAMED(TENSOR(ID("ctorch\nFloatStorage\n", "0", "cpu", LARGE), "K\0", ")", ")")),
             "data.pkl, byte 101: needs 9223372036854775807 elements of storage '0'; the file has 24 bytes"),
        CASE(NAMED(TENSOR(ID("ctorch\nFloatStorage\n", "1", "cpu", "K\6"), "K\0", ")", ")")),
             "data.pkl, byte 93: has a tensor of storage '1', which is not in the file"),
        CASE(NAMED(TENSOR(ID("ctorch\nFloatStorage\n", "/", "cpu", "K\6"), "K\0", ")", ")")),
             "data.pkl, byte 93: has a tensor of storage '/', which is not in the file"),
        CASE(NAMED(TENSOR(ID("ctorch\nFloatStorage\n", "0", "cpu", "K\6(NK\5K\2t"), "K\0", ")", ")")),
             "t lies in elements 5 and 2 more of a storage of 6 elements"),
        CASE(NAMED(TENSOR(ID("ctorch\nFloatStorage\n", "0", "cpu", "K\6(N" LARGE "K\2t"), "K\0", ")", ")")),
             "t lies in elements 9223372036854775807 and 2 more of a storage of 6 elements"),
        CASE(NAMED(TENSOR(ID("ctorch\nFloatStorage\n", "0", "cpu", "K\6(NK\4K\2t"), "K\2", ")", ")")),
             "t runs past the end of its storage of 2 elements"),
        CASE(NAMED(REBUILD "(" FLOATS "K\0))\x89N}X\3\0\0\0neg\x88stR"),
             "t has a state beside its data (a view of the negative or the conjugate); save a copy of it"),
        CASE(NAMED(REBUILD "(" FLOATS "K\0))\x89N}tR"), NULL),
        /* names */
        CASE("\x80\2}(X\3\0\0\0a.b" VECTOR "X\1\0\0\0a}X\1\0\0\0b" VECTOR "su.",
             "a.b occurs twice; expected each tensor once"),
        CASE("\x80\2}(K\1" VECTOR "X\1\0\0\0001" VECTOR "u.", "1 occurs twice; expected each tensor once"),
        CASE("\x80\2}N" VECTOR "s.",
             "data.pkl, byte 126: is a tensor without a name: a key on the way to it is neither a text "
             "nor an integer"),
        CASE("\x80\2}\x88}X\1\0\0\0a" VECTOR "ss.",
             "data.pkl, byte 133: is a tensor without a name: a key on the way to it is neither a text nor an integer"),
        CASE("\x80\2}X\1\0\0\0\n" VECTOR "s.",
             "data.pkl, byte 131: is a tensor without a name: a key on the way to it is not "
             "UTF-8 text without control characters"),
        CASE("\x80\2}X\1\0\0\0\0" VECTOR "s.",
             "data.pkl, byte 131: is a tensor without a name: a key on the way to it is not "
             "UTF-8 text without control characters"),
        CASE("\x80\2}X\2\0\0\0\xc3(" VECTOR "s.",
             "data.pkl, byte 132: is a tensor without a name: a key on the way to it is "
             "not UTF-8 text without control characters"),
        CASE("\x80\2}X\3\0\0\0\xed\xa0\x80" VECTOR "s.",
             "data.pkl, byte 133: is a tensor without a name: a key on the way to "
             "it is not UTF-8 text without control characters"),
        CASE("\x80\2}X\2\0\0\0\xc0\x80" VECTOR "s.",
             "data.pkl, byte 132: is a tensor without a name: a key on the way to it "
             "is not UTF-8 text without control characters"),
        CASE("\x80\2}X\3\0\0\0\xe0\x9f\xbf" VECTOR "s.",
             "data.pkl, byte 133: is a tensor without a name: a key on the way to "
             "it is not UTF-8 text without control characters"),
        CASE("\x80\2}X\4\0\0\0\xf4\x90\x80\x80" VECTOR "s.",
             "data.pkl, byte 134: is a tensor without a name: a key on the way to "
             "it is not UTF-8 text without control characters"),
        CASE("\x80\2}X\3\0\0\0\xe0\xa0\x80" VECTOR "s.", NULL),
        CASE("\x80\2}X\4\0\0\0\xf4\x8f\xbf\xbf" VECTOR "s.", NULL),
        CASE("\x80\2}NX\1\0\0\0xs.", NULL), /* no tensor, no name needed */
    };
    EXPECT_ALL(cases, "");
}

/* Few bytes that would become many objects, names or levels. */
static void test_bombs(void **state) {
    (void)state;
    enum { MANY = 1 << 22 };
    static char bytes[2 * MANY + 16];
    char *p = bytes;
    expect(&(hostile)CASE("\x80\2]q\0h\0a.", "2: is nested deeper than 64 levels, or in itself"), "data.pkl, byte ");
    expect(&(hostile)CASE("\x80\2}q\0K\1h\0s.", "2: is nested deeper than 64 levels, or in itself"), "data.pkl, byte ");
    expect(&(hostile)CASE("\x80\2]q\0(h\0h\0h\0e.", "2: is nested deeper than 64 levels, or in itself"),
           "data.pkl, byte ");
    /* each list twice in the next: 2^40 visits */
    memcpy(p, "\x80\2]q\0", 5);
    p += 5;
    for (int i = 0; i < 40; i++) {
        memcpy(p, "0](h\0h\0eq\0", 10);
        p += 10;
    }
    *p++ = '.';
    expect(&(hostile){bytes, (size_t)(p - bytes), "6: is in so many containers at once; no state dict is like that"},
           "data.pkl, byte ");
    /* 64 levels are read, 65 are not */
    for (int levels = 64; levels <= 65; levels++) {
        memcpy(bytes, "\x80\2", 2);
        memset(bytes + 2, ']', (size_t)levels);
        memset(bytes + 2 + levels, 'a', (size_t)levels - 1);
        bytes[2 * levels + 1] = '.';
        expect(&(hostile){bytes, 2 * (size_t)levels + 2,
                          levels == 64 ? NULL : "66: is nested deeper than 64 levels, or in itself"},
               "data.pkl, byte ");
    }
    /* objects, marks, places on the stack for one and the same object */
    memset(bytes + 2, 'N', MANY + 8);
    expect(&(hostile){bytes, MANY + 8, "4194305: needs more than 4194304 objects; no state dict does"},
           "data.pkl, byte ");
    memset(bytes + 2, '(', MANY + 8);
    expect(&(hostile){bytes, MANY + 8, "4194306: needs more than 4194304 objects; no state dict does"},
           "data.pkl, byte ");
    memcpy(bytes + 2, "}q\0", 3);
    for (int i = 0; i < MANY + 4; i++) memcpy(bytes + 5 + 2 * i, "h\0", 2);
    expect(&(hostile){bytes, 2 * MANY + 8, "8388611: needs more than 4194304 objects; no state dict does"},
           "data.pkl, byte ");
    /* one list of pairs made into many an OrderedDict */
    p = bytes + 2;
    memcpy(p, "](", 2);
    p += 2;
    for (int i = 0; i < 4000; i++, p += 3) memcpy(p, "NN\x86", 3);
    memcpy(p,
           "eq\0"
           "ccollections\nOrderedDict\nq\1",
           30);
    p += 30;
    for (int i = 0; i < 1200; i++, p += 6) memcpy(p, "h\1h\0\x85R", 6);
    expect(&(hostile){bytes, (size_t)(p - bytes), "18309: needs more than 4194304 objects; no state dict does"},
           "data.pkl, byte ");
    /* one tensor under many names */
    p = bytes + 2;
    memcpy(p, "](" VECTOR "q\0", 2 + sizeof VECTOR - 1 + 2);
    p += 2 + sizeof VECTOR - 1 + 2;
    for (int i = 0; i < 1 << 18; i++, p += 2) memcpy(p, "h\0", 2);
    memcpy(p, "e.", 2);
    expect(&(hostile){bytes, (size_t)(p + 2 - bytes), "126: is a tensor beyond the 262144 expected in one file"},
           "data.pkl, byte ");
}

/* Names have a limit of their own: long keys in each other. */
static void test_long_names(void **state) {
    (void)state;
    static char bytes[4096];
    char *p = bytes;
    memcpy(p, "\x80\2", 2);
    p += 2;
    for (int i = 0; i < 5; i++) {
        memcpy(p, "}X\xfa\0\0\0", 6); /* 250 bytes each */
        memset(p + 6, 'a' + i, 250);
        p += 6 + 250;
    }
    memcpy(p, VECTOR, sizeof VECTOR - 1);
    p += sizeof VECTOR - 1;
    memcpy(p, "sssss.", 6);
    expect(&(hostile){bytes, (size_t)(p + 6 - bytes),
                      "1404: is a tensor without a name: the keys on the way to it are too long"},
           "data.pkl, byte ");
}

/* Cut at every byte, and with any other byte in any place: an error with a place, or something that can be read. */
static void test_every_cut_and_every_byte(void **state) {
    (void)state;
    static const char whole[] =
        "\x80\2}q\0(X\1\0\0\0aq\1" VECTOR "X\1\0\0\0b](NK\2M\1\0J\1\0\0\0\x8a\1\5G\0\0\0\0\0\0\0\0eU\1cC\1xu.";
    for (size_t n = 0; n < sizeof whole - 1; n++) {
        ss_error err = {0};
        checkpoint *st;
        assert_int_equal(open_pickle(whole, n, &st, &err), SS_ERR_INPUT);
        assert_non_null(strstr(err.message, "truncated?"));
    }
    char bytes[sizeof whole];
    memcpy(bytes, whole, sizeof whole);
    for (size_t n = 0; n < sizeof whole - 1; n += 3)
        for (int value = 0; value < 256; value++) {
            ss_error err = {0};
            checkpoint *st;
            bytes[n] = (char)value;
            if (open_pickle(bytes, sizeof whole - 1, &st, &err) != SS_OK) assert_true(err.message[0] && !st);
            checkpoint_close(st);
            bytes[n] = whole[n];
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),      cmocka_unit_test(test_opcodes),
        cmocka_unit_test(test_calls),      cmocka_unit_test(test_stack_and_memo),
        cmocka_unit_test(test_tensors),    cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_long_names), cmocka_unit_test(test_every_cut_and_every_byte),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
