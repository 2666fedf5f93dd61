import ClusterModel
import Lattices

/// Gives out the dots of one client's additions, none twice.
struct DotIssuer {
  /// Beyond them all are forgotten, and another actor is drawn: a forgotten number is never used again.
  static let keysMax = 4096

  private var actor: UInt64
  private var numbers: [Key: UInt64] = [:]

  init(actor: UInt64) { self.actor = max(1, actor) }

  /// - Parameter newActor: a random number, used where this actor has counted for too many keys.
  mutating func next(for key: Key, newActor: @autoclosure () -> UInt64) -> Dot {
    if numbers[key] == nil, numbers.count >= Self.keysMax {
      numbers = [:]
      actor = max(1, newActor())
    }
    let number = numbers[key, default: 0] + 1
    numbers[key] = number
    return Dot(actor: actor, number: number)
  }
}
