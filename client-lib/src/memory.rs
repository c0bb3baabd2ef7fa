//! Memory that a process of Wafer's does not need for a while: they wait most of their lives.
#![expect(
    unsafe_code,
    reason = "malloc_trim, dl_iterate_phdr and madvise have no safe form; nothing else is here"
)]

/// Bytes of a page, at least.
const PAGE: usize = 4096;

/// Gives memory back to the system: free heap pages, and the program's own code, most of which only a start or a rare
/// task needs. The page cache keeps it; what is needed again is mapped again.
///
/// For the end of a start or of bulk work, not for every call: it costs a fraction of a millisecond.
pub fn give_back() {
    // SAFETY: malloc_trim only touches the allocator's own free lists, under its locks. The callback has the type
    // that dl_iterate_phdr asks for, and takes no data.
    unsafe {
        libc::malloc_trim(0);
        libc::dl_iterate_phdr(Some(unmap_code), std::ptr::null_mut());
    }
}

/// Lets go of the code segments of `program`; stops at the first one, which is this executable.
unsafe extern "C" fn unmap_code(
    program: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    _data: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: dl_iterate_phdr hands out a valid description with `dlpi_phnum` headers, for the time of the call.
    let (base, headers) = unsafe {
        let program = &*program;
        (program.dlpi_addr, std::slice::from_raw_parts(program.dlpi_phdr, program.dlpi_phnum.into()))
    };
    for code in headers.iter().filter(|one| one.p_type == libc::PT_LOAD && one.p_flags & libc::PF_X != 0) {
        let start = (base + code.p_vaddr) as usize & !(PAGE - 1);
        let end = (base + code.p_vaddr + code.p_memsz) as usize;
        // SAFETY: a private mapping of a file that is never written to: its pages come from the file again.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
    }
    1
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_program_goes_on_after_it_let_go_of_its_code() {
        let kept = vec![7_u8; 1 << 20];
        super::give_back();
        assert!(kept.iter().all(|byte| *byte == 7));
    }
}
