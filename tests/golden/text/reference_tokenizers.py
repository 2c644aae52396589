"""Tokenizers by software that shares no code with Perennial: Python's `tokenizers`, which is what transformers runs, and
llama.cpp (the library inside `xllamacpp`, which reads a vocabulary without a model)."""

import ctypes
import glob
import os

import xllamacpp
from tokenizers import AddedToken, Tokenizer


class _ModelParameters(ctypes.Structure):
    """llama.h's llama_model_params, longer than it is: it is passed in memory, where more does no harm."""
    _fields_ = [("devices", ctypes.c_void_p), ("overrides", ctypes.c_void_p), ("numbers", ctypes.c_int32 * 5), ("tensor_split", ctypes.c_void_p),
                ("progress", ctypes.c_void_p), ("progress_data", ctypes.c_void_p), ("kv_overrides", ctypes.c_void_p),
                ("vocab_only", ctypes.c_bool), ("spare", ctypes.c_uint8 * 127)]


class LlamaCpp:
    library = None

    def __init__(self, path):
        library = LlamaCpp.library or self._load()
        parameters = library.llama_model_default_params()
        parameters.vocab_only = True
        model = library.llama_model_load_from_file(str(path).encode(), parameters)
        assert model, path
        self.vocabulary = library.llama_model_get_vocab(model)

    @staticmethod
    def _load():
        library = ctypes.CDLL(glob.glob(os.path.join(os.path.dirname(xllamacpp.__file__), "xllamacpp*.so"))[0])
        library.llama_model_default_params.restype = _ModelParameters
        library.llama_model_load_from_file.argtypes = [ctypes.c_char_p, _ModelParameters]
        library.llama_model_load_from_file.restype = library.llama_model_get_vocab.restype = ctypes.c_void_p
        library.llama_model_get_vocab.argtypes = [ctypes.c_void_p]
        library.llama_tokenize.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32, ctypes.c_bool,
                                           ctypes.c_bool]
        LlamaCpp.quiet = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(lambda level, text, data: None)
        library.llama_log_set(LlamaCpp.quiet, None)
        library.llama_backend_init()
        LlamaCpp.library = library
        return library

    def encode(self, text, with_controls):
        data = text.encode("utf-8")
        ids = (ctypes.c_int32 * (len(data) + 16))()
        count = LlamaCpp.library.llama_tokenize(self.vocabulary, data, len(data), ids, len(ids), False, with_controls)
        assert count >= 0, text
        return ids[:count]


class HuggingFace:
    """Two readings, as Tokenizer has them: with control tokens, and of text in which nothing is one."""

    def __init__(self, path):
        self.rendered = Tokenizer.from_file(str(path))
        self.plain = Tokenizer.from_file(str(path))
        # Tokens shaped like control tokens that their model forgot to mark must not be forged either.
        forgotten = [token.content for token in self.plain.get_added_tokens_decoder().values()
                     if token.content.startswith(("<|", "<\uff5c")) and token.content.endswith(("|>", "\uff5c>"))]
        self.plain.add_special_tokens([AddedToken(literal, normalized=False, special=True) for literal in forgotten])
        self.plain.encode_special_tokens = True

    def encode(self, text, with_controls):
        return (self.rendered if with_controls else self.plain).encode(text, add_special_tokens=False).ids


def digest(data, value=0xCBF29CE484222325):
    """FNV-1a, 64 bits."""
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value
