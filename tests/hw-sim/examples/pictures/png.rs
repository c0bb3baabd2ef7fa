//! From the X server's own file to a small PNG (ISO/IEC 15948).

use std::collections::BTreeMap;
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
const BIT_DEPTH: u8 = 8;
const PALETTE: u8 = 3;
const TRUE_COLOUR: u8 = 2;

/// The part `area` (left, top, width, height) of an XWD file with 32 bits a pixel, little-endian.
pub(crate) fn of_screen(xwd: &[u8], area: [usize; 4]) -> Vec<u8> {
    let word = |number: usize| -> usize {
        let bytes = xwd[number * 4..number * 4 + 4].try_into().unwrap();
        usize::try_from(u32::from_be_bytes(bytes)).unwrap()
    };
    // XWDFileHeader: its size, ..., bits per pixel (11), bytes per line (12), ..., colours (19) of 12 bytes each.
    assert_eq!(word(11), 32, "bits per pixel");
    let pixels = &xwd[word(0) + word(19) * 12..];
    let [left, top, width, height] = area;
    let rows = (top..top + height).map(|y| &pixels[y * word(12) + left * 4..][..width * 4]);
    let colours: Vec<Vec<[u8; 3]>> =
        rows.map(|row| row.chunks(4).map(|pixel| [pixel[2], pixel[1], pixel[0]]).collect()).collect();
    encode(&colours)
}

/// With a palette where the colours fit into one.
fn encode(rows: &[Vec<[u8; 3]>]) -> Vec<u8> {
    let mut palette: BTreeMap<[u8; 3], u8> = rows.iter().flatten().map(|colour| (*colour, 0)).collect();
    let fits = palette.len() <= 256;
    palette.values_mut().zip(0..=u8::MAX).for_each(|(place, number)| *place = number);
    let mut raw = Vec::new();
    for row in rows {
        raw.push(0); // no filter
        for colour in row {
            if fits { raw.push(palette[colour]) } else { raw.extend(colour) }
        }
    }
    let size = [rows[0].len(), rows.len()].map(|side| u32::try_from(side).unwrap().to_be_bytes()).concat();
    let kind = if fits { PALETTE } else { TRUE_COLOUR };
    let mut png = SIGNATURE.to_vec();
    chunk(&mut png, b"IHDR", &[&size[..], &[BIT_DEPTH, kind, 0, 0, 0]].concat());
    if fits {
        chunk(&mut png, b"PLTE", &palette.keys().flatten().copied().collect::<Vec<_>>());
    }
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&raw).unwrap();
    chunk(&mut png, b"IDAT", &packed.finish().unwrap());
    chunk(&mut png, b"IEND", &[]);
    png
}

fn chunk(png: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    png.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
    let checked = [&name[..], data].concat();
    png.extend(&checked);
    png.extend(crc32fast::hash(&checked).to_be_bytes());
}
