//! The binary: an allocator, and the start of it all. The allocator does without huge pages, of which a few
//! kilobytes here and there would make megabytes.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    bifrost::start::main()
}
