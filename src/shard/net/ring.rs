//! How rings are made. glommio asks for a ring with no flags, so that each completion interrupts the
//! running thread, and registers memory for files, of which a shard has none; `build.rs` routes its calls
//! through here, where the flags are added and no memory is registered. `unsafe` because the calls are C's,
//! and take pointers.
#![expect(unsafe_code, reason = "stands in for C functions")]

use std::{
    ffi::{c_int, c_uint, c_void},
    io,
};

use rlimit::Resource;

use super::reactor;

/// Words of `struct io_uring_params` (linux/io_uring.h).
const PARAMS_WORDS: usize = 30;
/// The word that holds the flags.
const FLAGS: usize = 2;
const IORING_SETUP_IOPOLL: u32 = 1;
const IORING_REGISTER_BUFFERS: c_uint = 0;
/// COOP_TASKRUN, TASKRUN_FLAG and SINGLE_ISSUER, then less for older kernels. Never DEFER_TASKRUN:
/// glommio 0.9 livelocks with it.
const FLAGS_TRIED: [u32; 4] = [0x1300, 0x300, 0x100, 0];
/// glommio's `make()` fails below this soft limit, even for root.
const MEMLOCK_BYTES_MIN: u64 = 512 * 1024;

/// liburing's call, with better flags where the kernel knows them.
///
/// # Safety
/// `params` points to a whole `struct io_uring_params`.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap___sys_io_uring_setup(entries: c_uint, params: *mut [u32; PARAMS_WORDS]) -> c_int {
    // SAFETY: promised by the caller.
    let asked = unsafe { *params };
    let is_polled = asked[FLAGS] & IORING_SETUP_IOPOLL != 0;
    let tried = if is_polled { &FLAGS_TRIED[3..] } else { &FLAGS_TRIED[..] };
    let mut made = -libc::EINVAL;
    for flags in tried {
        // SAFETY: as above.
        unsafe {
            *params = asked;
            (*params)[FLAGS] |= flags;
        }
        made = setup(entries, params);
        if made != -libc::EINVAL {
            break;
        }
    }
    made
}

/// liburing's call, but for the registration of buffers, which seems to work: nothing reads a file into them,
/// and they would count against what a user may lock, in each ring anew.
///
/// # Safety
/// `argument` points to what `operation` takes.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap___sys_io_uring_register(
    ring: c_int,
    operation: c_uint,
    argument: *const c_void,
    count: c_uint,
) -> c_int {
    if operation == IORING_REGISTER_BUFFERS {
        return 0;
    }
    // SAFETY: promised by the caller.
    unsafe { libc::syscall(libc::SYS_io_uring_register, ring, operation, argument, count) as c_int }
}

/// Whether a ring can be made here, and if not, why and what to do.
pub(super) fn probe() -> Result<(), String> {
    let lockable = raise_memlock();
    let mut params = [0; PARAMS_WORDS];
    let made = setup(8, &raw mut params);
    if made < 0 {
        let error = io::Error::from_raw_os_error(-made);
        if made == -libc::ENOMEM {
            return Err(format!(
                "io_uring finds no memory that may be locked ({error}): all processes of a user share the limit, \
                 raise `ulimit -l`"
            ));
        }
        return Err(format!(
            "io_uring is denied here ({error}). Containers block it by default: allow io_uring_setup, \
             io_uring_enter and io_uring_register in the seccomp profile, and set the sysctl \
             kernel.io_uring_disabled to 0"
        ));
    }
    // SAFETY: the descriptor was just made and is nobody else's.
    unsafe { libc::close(made) };
    lockable?;
    match reactor::probe() {
        Ok(true) => Ok(()),
        Ok(false) => {
            Err("this kernel's io_uring is too old, it came to what is needed with Linux 5.13".to_owned())
        }
        Err(error) => Err(format!("io_uring does not work here ({error})")),
    }
}

/// liburing's calling convention: minus the error number instead of -1.
fn setup(entries: c_uint, params: *mut [u32; PARAMS_WORDS]) -> c_int {
    // SAFETY: the kernel reads and writes one whole `struct io_uring_params`.
    let made = unsafe { libc::syscall(libc::SYS_io_uring_setup, entries, params) };
    if made < 0 { -io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL) } else { made as c_int }
}

/// Raises the soft limit of locked memory to the hard one, and says so if that is too little.
fn raise_memlock() -> Result<(), String> {
    let Ok((soft, hard)) = Resource::MEMLOCK.get() else { return Ok(()) };
    let raised = if Resource::MEMLOCK.set(hard, hard).is_ok() { hard } else { soft };
    if raised < MEMLOCK_BYTES_MIN {
        let found = raised / 1024;
        return Err(format!(
            "io_uring needs 512 KiB of locked memory, the limit is {found} KiB: raise `ulimit -l`"
        ));
    }
    Ok(())
}
