import Lattices

/// SplitMix64: the same seed, the same values, on every machine.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// A short string over a small alphabet, so that equal strings and prefixes really meet; now and
  /// then one that is longer than the eight bytes compared in a step.
  mutating func bytes() -> ArraySlice<UInt8> {
    let padding = Int.random(in: 0..<3, using: &self)
    let head: [UInt8] = Bool.random(using: &self) ? [] : Array("sharedprefix".utf8)
    let tail = (0..<Int.random(in: 0...2, using: &self)).map { _ in
      [UInt8](arrayLiteral: 0, 1, 0xFF).randomElement(using: &self) ?? 0
    }
    // A slice that does not start at 0, as slices of messages do not.
    return ([UInt8](repeating: 7, count: padding) + head + tail)[padding...]
  }
}

/// A law that three values broke, with the values.
struct BrokenLaw: CustomStringConvertible {
  let description: String
}

/// Draws `rounds` triples and returns the first broken law, or `nil`.
func firstBrokenLaw<Value: Lattice>(
  seed: UInt64, rounds: Int = 3000, drawing sample: (inout SeededGenerator) -> Value
) -> BrokenLaw? {
  var random = SeededGenerator(seed: seed)
  for round in 0..<rounds {
    let (a, b, c) = (sample(&random), sample(&random), sample(&random))
    if let law = brokenLaw(a, b, c) {
      return BrokenLaw(description: "\(law), seed \(seed), round \(round): \(a), \(b), \(c)")
    }
  }
  return nil
}

private func brokenLaw<Value: Lattice>(_ a: Value, _ b: Value, _ c: Value) -> String? {
  if a.merging(a) != a { return "idempotence" }
  if a.merging(b) != b.merging(a) { return "commutativity" }
  if a.merging(b).merging(c) != a.merging(b.merging(c)) { return "associativity" }
  var merged = a
  if merged.merge(b) != (merged != a) { return "merge tells whether it changed" }
  for part in [a, b] where merged.merging(part) != merged { return "merge is an upper bound" }
  return nil
}
