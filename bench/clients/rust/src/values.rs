//! What is produced: words in an order by chance that is always the same, so that codecs have something to do.

const WORDS: &[&str] = &[
    "order",
    "paid",
    "shipped",
    "returned",
    "customer",
    "street",
    "amount",
    "total",
    "euro",
    "cent",
    "item",
    "quantity",
    "created",
    "updated",
    "status",
    "warehouse",
];

/// As many as are made before they repeat.
const COUNT: usize = 1024;

/// Values of `size` bytes. The programs in other languages make the same.
pub(crate) fn make(size: usize) -> Vec<Vec<u8>> {
    let mut random = 88_172_645_463_325_252_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut value = || {
        let mut text = Vec::with_capacity(size + 32);
        while text.len() < size {
            let random = next();
            text.extend_from_slice(WORDS[(random % WORDS.len() as u64) as usize].as_bytes());
            text.push(b' ');
            text.extend_from_slice((random >> 48).to_string().as_bytes());
            text.push(b' ');
        }
        text.truncate(size);
        text
    };
    (0..COUNT).map(|_| value()).collect()
}
