//! BER-TLV as PIV uses it (ISO 7816-4 section 5.2.2): tags of up to three octets, definite lengths.

/// The objects that stand one after the other in `data`; ends at the first that is not whole.
pub(super) struct Objects<'d>(&'d [u8]);

/// Reads the objects in `data`.
pub(super) fn objects(data: &[u8]) -> Objects<'_> {
    Objects(data)
}

/// The value of the first object with `tag` in `data`.
pub(super) fn find(data: &[u8], tag: u32) -> Option<&[u8]> {
    objects(data).find_map(|(found, value)| (found == tag).then_some(value))
}

/// An object as octets. The tag is written without leading zeros.
pub(super) fn encode(tag: u32, value: &[u8]) -> Vec<u8> {
    let tag = tag.to_be_bytes();
    let start = tag.iter().position(|octet| *octet != 0).unwrap_or(tag.len() - 1);
    let length = value.len().to_be_bytes();
    let mut object = tag[start..].to_vec();
    match value.len() {
        0..=0x7f => object.push(length[length.len() - 1]),
        0x80..=0xff => object.extend([0x81, length[length.len() - 1]]),
        0x100..=0xffff => object.extend([0x82, length[length.len() - 2], length[length.len() - 1]]),
        _ => object.extend([&[0x83], &length[length.len() - 3..]].concat()),
    }
    object.extend(value);
    object
}

impl<'d> Iterator for Objects<'d> {
    type Item = (u32, &'d [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (tag, rest) = tag(self.0)?;
        let (length, rest) = length(rest)?;
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, value))
    }
}

fn tag(data: &[u8]) -> Option<(u32, &[u8])> {
    let (first, mut rest) = data.split_first()?;
    let mut tag = u32::from(*first);
    if first & 0x1f == 0x1f {
        for _ in 0..2 {
            let (next, after) = rest.split_first()?;
            (tag, rest) = ((tag << 8) | u32::from(*next), after);
            if next & 0x80 == 0 {
                return Some((tag, rest));
            }
        }
        return None;
    }
    Some((tag, rest))
}

fn length(data: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = data.split_first()?;
    match first {
        0..=0x7f => Some((usize::from(*first), rest)),
        0x81..=0x83 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            Some((octets.iter().fold(0, |length, octet| (length << 8) | usize::from(*octet)), rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (tag, size) in
            [(0x53, 0), (0x7e, 0x7f), (0x5f2f, 0x80), (0x5fc105, 0xff), (0x70, 0x1234), (0x7f49, 0x10000)]
        {
            let value = vec![7; size];
            let encoded = encode(tag, &value);
            assert_eq!(objects(&encoded).collect::<Vec<_>>(), [(tag, value.as_slice())]);
        }
    }

    #[test]
    fn several_are_told_apart_and_the_first_counts() {
        let data = [encode(0x70, b"one"), encode(0x71, b""), encode(0x70, b"two")].concat();
        assert_eq!(find(&data, 0x70), Some(&b"one"[..]));
        assert_eq!(find(&data, 0x71), Some(&b""[..]));
        assert_eq!(find(&data, 0x72), None);
    }

    #[test]
    fn what_is_cut_off_is_no_object() {
        let whole = encode(0x5fc105, &[1; 300]);
        for length in 0..whole.len() {
            assert_eq!(objects(&whole[..length]).count(), 0, "{length}");
        }
        for wrong in [&[0x70, 0x80, 0, 0][..], &[0x70, 0x84, 0, 0, 0, 1, 5], &[0x1f, 0x81, 0x81, 0x81, 1, 0]]
        {
            assert_eq!(objects(wrong).count(), 0, "{wrong:x?}");
        }
    }
}
