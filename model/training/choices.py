"""What can be chosen: the three models that are compared, and how large they are."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Variant:
    """One of the three models. They share shape, initial weights, data and order of data."""

    name: str  # its folder
    title: str  # for people
    sink_token: bool = False  # every sample and every stream begins with the sink token
    zero_sink: bool = False  # softmax with one added to the denominator


# StreamingLLM (arXiv 2309.17453), section 3.3.
VARIANTS = (
    Variant("vanilla", "Vanilla"),
    Variant("zero_sink", "Zero sink", zero_sink=True),
    Variant("learnable_sink", "Learnable sink", sink_token=True),
)


@dataclasses.dataclass(frozen=True)
class Shape:
    """The network, in the words of model/model_config.h."""

    vocab_size: int
    num_layers: int
    hidden_size: int
    num_heads: int
    feed_forward_size: int
    context_tokens: int  # length of a training sample
    rope_theta: float = 10000.0
    rms_norm_epsilon: float = 1e-5

    @property
    def head_size(self):
        return self.hidden_size // self.num_heads


@dataclasses.dataclass(frozen=True)
class Size:
    """A shape without its vocabulary, and the training that suits it."""

    num_layers: int
    hidden_size: int
    num_heads: int
    feed_forward_size: int
    context_tokens: int
    batch_samples: int
    steps: int
    warmup_steps: int
    learning_rate: float  # the highest

    def shape(self, vocab_size):
        return Shape(vocab_size, self.num_layers, self.hidden_size, self.num_heads, self.feed_forward_size,
                     self.context_tokens)


SIZES = {
    # Seconds: shows that everything runs, and nothing else.
    "tiny": Size(2, 64, 2, 176, 64, batch_samples=8, steps=60, warmup_steps=10, learning_rate=3e-3),
    # About an hour on two processor cores.
    "small": Size(4, 128, 4, 352, 256, batch_samples=16, steps=2000, warmup_steps=100, learning_rate=3e-3),
    # Minutes on a large GPU. In bfloat16 an exported model has 15 MB.
    "medium": Size(8, 256, 4, 704, 512, batch_samples=32, steps=5000, warmup_steps=200, learning_rate=2e-3),
    # Hours on a large GPU; wants a gigabyte of text.
    "large": Size(12, 512, 8, 1408, 1024, batch_samples=64, steps=20000, warmup_steps=500, learning_rate=1e-3),
}
