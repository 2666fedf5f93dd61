import ClusterModel
import WireProtocol

/// What kind of bad luck a seed has: drawn once, so that some runs are calm and some are storms.
struct Profile {
  /// How long clients work, in nanoseconds, before everything heals and is checked.
  let workTime: UInt64
  let clients: Int
  let nodes: Int
  let executorsPerNode: Int
  /// Whether the shard has a log; without one its process is never killed.
  let hasLog: Bool

  /// Of the faults, on average; zero for none.
  let faultInterval: UInt64
  /// Of a thousand frames.
  let lostFrames: UInt64
  let repeatedFrames: UInt64
  let slowFrames: UInt64
  /// How long a slow frame takes at most.
  let slownessMax: UInt64
  /// Milliseconds by which a node's wall clock is off at most; two differ by less than the limit.
  let clockErrorMax: Int64
  /// Whether queues have room for a few entries only.
  let tightLimits: Bool

  init(using chance: inout SplitMix64, options: SimulationOptions) {
    workTime = options.workTime.wholeMicroseconds * 1000
    clients = Int(chance.draw(2...5))
    nodes = Int(chance.draw(1...2))
    executorsPerNode = Int(chance.draw(1...3))
    hasLog = !chance.oneIn(4)
    let isCalm = chance.oneIn(8)
    faultInterval = isCalm ? 0 : .milliseconds(chance.draw(60...600))
    let isLossy = !isCalm && chance.oneIn(3)
    lostFrames = isLossy ? chance.draw(1...15) : 0
    repeatedFrames = isCalm || chance.oneIn(2) ? 0 : chance.draw(1...40)
    slowFrames = isCalm ? 0 : chance.draw(0...60)
    slownessMax = .milliseconds(chance.draw(1...80))
    let clockError = Int64(chance.draw(0...240))
    clockErrorMax = chance.oneIn(3) ? 0 : clockError
    tightLimits = chance.oneIn(2)
  }
}
