"""Runs llama.cpp's HTTP server (as xllamacpp packs it) on a free port, prints its address, ends when stdin ends."""

import os
import pathlib
import resource
import sys

MEMORY_BYTES_MAX = 4 << 30
resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import xllamacpp  # noqa: E402 - it reads the environment when it is loaded


def main(model: pathlib.Path, embedding: bool) -> None:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.model_alias = {"tiny"}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_ctx = 1024
    parameters.n_parallel = 2
    parameters.n_threads_http = 4
    parameters.n_gpu_layers = 0
    parameters.cache_ram_mib = 0
    parameters.cache_prompt = False
    parameters.cpuparams.n_threads = 1
    parameters.cpuparams_batch.n_threads = 1
    parameters.embedding = embedding
    if embedding:
        parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), embedding="--embedding" in sys.argv)
