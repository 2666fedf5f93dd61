import CPlatform

/// How this process treats memory that is free again.
package enum Allocator {
  /// Large blocks go back to the system when they are freed. Without it a burst of large values
  /// stays with a process that lives for weeks. Before threads start.
  package static func giveBackLargeBlocks() { cb_give_back_memory() }
}
