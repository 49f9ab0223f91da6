"""Writes a llama model of random weights: a few hundred kilobytes that answer nonsense, the same nonsense each time."""

import os
import pathlib
import sys

import gguf
import numpy

WIDTH = 64
HEADS = 4
LAYERS = 2
FEED_FORWARD = 128
CONTEXT = 1024
SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprst" for vowel in "aeiou"]
PIECES = [*map(chr, range(33, 127)), "▁", *SYLLABLES, *("▁" + syllable for syllable in SYLLABLES)]
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def ensure_model(path: pathlib.Path) -> pathlib.Path:
    """Writes the model to `path` unless it is there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        write_model(unfinished)
        unfinished.rename(path)
    return path


def write_model(path: pathlib.Path) -> None:
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name("tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    silent_tokens = add_vocabulary(writer)
    add_weights(writer, silent_tokens, silent_tokens + len(PIECES))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_vocabulary(writer: gguf.GGUFWriter) -> int:
    """Returns how many tokens at the beginning the model must never say: the control tokens and single bytes."""
    control = [("<unk>", gguf.TokenType.UNKNOWN), ("<s>", gguf.TokenType.CONTROL), ("</s>", gguf.TokenType.CONTROL)]
    single_bytes = [(f"<0x{value:02X}>", gguf.TokenType.BYTE) for value in range(256)]
    pieces = [(piece, gguf.TokenType.NORMAL) for piece in PIECES]
    vocabulary = control + single_bytes + pieces
    writer.add_vocab_size(len(vocabulary))
    writer.add_tokenizer_model("llama")
    writer.add_token_list([text for text, _ in vocabulary])
    writer.add_token_scores([float(len(text)) for text, _ in vocabulary])
    writer.add_token_types([kind for _, kind in vocabulary])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(CHAT_TEMPLATE)
    return len(control) + len(single_bytes)


def add_weights(writer: gguf.GGUFWriter, silent_tokens: int, tokens: int) -> None:
    random = numpy.random.default_rng(seed=7)

    def matrix(rows: int, columns: int) -> numpy.ndarray:
        return random.normal(0, columns**-0.5, (rows, columns)).astype(numpy.float32)

    ones = numpy.ones(WIDTH, dtype=numpy.float32)
    writer.add_tensor("token_embd.weight", matrix(tokens, WIDTH))
    for layer in range(LAYERS):
        writer.add_tensor(f"blk.{layer}.attn_norm.weight", ones)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", matrix(WIDTH, WIDTH))
        writer.add_tensor(f"blk.{layer}.ffn_norm.weight", ones)
        writer.add_tensor(f"blk.{layer}.ffn_gate.weight", matrix(FEED_FORWARD, WIDTH))
        writer.add_tensor(f"blk.{layer}.ffn_up.weight", matrix(FEED_FORWARD, WIDTH))
        writer.add_tensor(f"blk.{layer}.ffn_down.weight", matrix(WIDTH, FEED_FORWARD))
    writer.add_tensor("output_norm.weight", ones)
    output = matrix(tokens, WIDTH)
    # A row of zeros scores zero, and among hundreds of random scores one is always above it.
    output[:silent_tokens] = 0
    writer.add_tensor("output.weight", output)


if __name__ == "__main__":
    ensure_model(pathlib.Path(sys.argv[1]))
