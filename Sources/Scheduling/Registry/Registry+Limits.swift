import ClusterModel
import WireProtocol

/// What the functions of one call say of their limits; of a DAG, what suits all of its functions.
struct DeclaredLimits: Equatable {
  /// A call never runs longer: the functions' times together, if each of them names one.
  private(set) var timeNanoseconds: UInt64? = 0
  /// The most that any of them asks for; zero: none does.
  private(set) var memoryMebibytes: UInt16 = 0
  /// The fewest that any of them wants.
  private(set) var attemptsMax: Int?

  mutating func add(_ function: FunctionRecord) {
    let time = function.timeLimitMicroseconds
    if let sum = timeNanoseconds, time > 0, time <= UInt64.max / 1000 {
      timeNanoseconds = sum.addingSaturating(time * 1000)
    } else {
      timeNanoseconds = nil
    }
    memoryMebibytes = max(memoryMebibytes, UInt16(clamping: function.memoryMebibytes))
    if function.attemptsMax > 0 {
      attemptsMax = min(attemptsMax ?? .max, Int(function.attemptsMax))
    }
  }
}

extension Registry {
  func limits(of stages: [Stage]) -> DeclaredLimits {
    var limits = DeclaredLimits()
    for stage in stages {
      if let function = function(stage.function) { limits.add(function) }
    }
    return limits
  }
}
