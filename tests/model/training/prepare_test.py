"""Text to tokens. Needs no torch."""

import array
import json
import lzma
import pathlib
import tempfile
import unittest

from model.training.prepare import byte_alphabet, pieces_of, prepare, read_text


class PrepareTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def tokens(self, name):
        tokens = array.array("h")
        tokens.frombytes((self.folder / name).read_bytes())
        return tokens.tolist()

    def test_bytes_and_special_tokens(self):
        facts = prepare(self.folder, ["ab", "é"], ["z"], "bytes", 0.5)
        self.assertEqual(self.tokens("train.tokens"), [97, 98, 256, 0xC3, 0xA9, 256])
        self.assertEqual(self.tokens("held_out.tokens"), [122, 256])
        self.assertEqual(facts["vocab_size"], 258)
        self.assertEqual((facts["end_token_id"], facts["sink_token_id"]), (256, 257))
        tokenizer = json.loads((self.folder / "tokenizer.json").read_text(encoding="utf-8"))
        self.assertEqual([token["id"] for token in tokenizer["added_tokens"]], [256, 257])
        self.assertEqual(sorted(tokenizer["model"]["vocab"].values()), list(range(256)))

    def test_without_held_out_texts_the_end_is_held_out(self):
        facts = prepare(self.folder, ["0123456789" * 10], [], "bytes", 0.1)
        self.assertEqual((facts["train_tokens"], facts["held_out_tokens"]), (91, 10))
        self.assertEqual(self.tokens("held_out.tokens"), list(b"123456789") + [256])

    def test_alphabet_is_the_one_of_byte_level_vocabularies(self):
        alphabet = byte_alphabet()
        self.assertEqual([alphabet[byte] for byte in b" \n\tA~\x7f\xad"], list("\u0120\u010a\u0109A~\u0121\u0143"))
        self.assertEqual(len(set(alphabet)), 256)

    def test_pieces_make_the_text(self):
        text = "a line\n" * 400_000
        pieces = list(pieces_of(text))
        self.assertEqual("".join(pieces), text)
        self.assertGreater(len(pieces), 2)
        self.assertTrue(all(piece.startswith("\n") for piece in pieces[1:]))

    def test_reads_packed_files_and_names_bad_ones(self):
        (self.folder / "a.txt.xz").write_bytes(lzma.compress("é".encode()))
        self.assertEqual(read_text(self.folder / "a.txt.xz"), "é")
        (self.folder / "b.txt").write_bytes(b"\xff")
        with self.assertRaisesRegex(SystemExit, "b.txt is not UTF-8"):
            read_text(self.folder / "b.txt")
        with self.assertRaisesRegex(SystemExit, "c.txt"):
            read_text(self.folder / "c.txt")


if __name__ == "__main__":
    unittest.main()
