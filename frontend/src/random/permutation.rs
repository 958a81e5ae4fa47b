//! `randperm`.

use super::{CHUNK, Element, Generator, RandomError};

/// From this length on torch draws 64 bits a step and shuffles inside out.
const LONG: usize = u32::MAX as usize / 20;

impl Generator {
    /// `randperm(out.len())`: one engine word for each element but the last; from 214,748,364 elements on, two for
    /// each.
    pub fn fill_permutation<T: Element>(&mut self, out: &mut [T]) -> Result<(), RandomError> {
        check_length::<T>(out.len())?;
        if out.len() < LONG {
            self.shuffle_forward(out)
        } else {
            self.shuffle_inside_out(out)
        }
        Ok(())
    }

    fn shuffle_forward<T: Element>(&mut self, out: &mut [T]) {
        out.iter_mut().enumerate().for_each(|(index, x)| *x = T::from_i64(index as i64));
        // Shorter than LONG, so lengths fit u32, whose division is the cheaper one.
        let mut words = [0; CHUNK];
        let mut index = 0;
        while index + 1 < out.len() {
            let words = &mut words[..CHUNK.min(out.len() - 1 - index)];
            self.engine.fill(words);
            for word in words {
                out.swap(index, index + (*word % (out.len() - index) as u32) as usize);
                index += 1;
            }
        }
    }

    fn shuffle_inside_out<T: Element>(&mut self, out: &mut [T]) {
        for index in 0..out.len() {
            let place = (self.next_u64() % (index as u64 + 1)) as usize;
            out[index] = out[place];
            out[place] = T::from_i64(index as i64);
        }
    }
}

/// Refuses lengths whose indices the type cannot hold. torch checks every floating-point type but bfloat16 for
/// precision, and so does this.
fn check_length<T: Element>(length: usize) -> Result<(), RandomError> {
    let last = length.saturating_sub(1) as f64;
    if T::DIGITS.is_none() && last > T::HIGHEST {
        let name = match T::SCALAR_NAME {
            "Byte" => "uint8_t",
            "Char" => "int8_t",
            "Short" => "int16_t",
            name => name,
        };
        return Err(RandomError::LengthTooLarge(name));
    }
    let (limit, shown) = match T::SCALAR_NAME {
        "Half" => (1usize << 11, "2049"),
        "Float" => (1 << 24, "2^24+1"),
        _ => return Ok(()),
    };
    if length > limit + 1 {
        return Err(RandomError::LengthPrecision { limit: shown, name: T::SCALAR_NAME });
    }
    Ok(())
}
