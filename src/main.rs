//! The binary: an allocator, and the start of it all.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    bifrost::start::main()
}
