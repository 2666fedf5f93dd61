import ClusterModel
import Testing

/// The expected values were computed with xxHash 0.8.1 (`XXH64`).
@Suite struct StableHashTests {
  @Test(
    arguments: [
      ("", 0xEF46_DB37_51D8_E999), ("a", 0xD24E_C4F1_A98C_6E5B), ("abc", 0x44BC_2CF5_AD77_0999),
    ] as [(String, UInt64)])
  func publishedVectorsHold(text: String, hash: UInt64) {
    #expect(StableHash.of(Bytes(text: text)) == hash)
  }

  /// Every mixture of stripes, words, half words and single bytes; with and without a seed.
  @Test(
    arguments: [
      (1, 0xF592_C0C7_639C_4CB6, 0xE7FD_A85A_7245_4615),
      (3, 0x5D85_0D7E_8836_B942, 0x035A_AB77_E6B0_21DB),
      (4, 0xE8DE_8431_0BEB_0D99, 0xB336_1CA2_01BA_FF37),
      (7, 0x5590_84BF_50D7_9B82, 0x5436_FB52_8BC7_A43C),
      (8, 0x5A44_4F3C_9D9C_2A28, 0x0E60_AE4B_DA74_BF5C),
      (12, 0x9922_5057_6E03_F4AB, 0x4C79_638E_D427_0861),
      (14, 0x8B45_2D26_1C18_79B0, 0x92BB_2847_F451_4410),
      (31, 0xB34D_F33C_6950_5E3C, 0x101D_D65A_533E_09EF),
      (32, 0x1295_84E0_DE07_8568, 0x154B_7D82_FFD2_FA5F),
      (33, 0x00C7_CB6F_CA2E_8349, 0x7C4E_70D8_2D3A_DBDA),
      (63, 0xD22A_7601_C58F_FFB1, 0xCE63_BF6B_8211_E0F4),
      (64, 0x3CB0_C8B4_C691_CD35, 0x503A_E2D0_B6B9_885D),
      (100, 0x37CE_7E2D_42FA_EEE2, 0xD6E9_D4BD_1964_7F31),
      (222, 0xD049_64F2_5179_8E02, 0x18FC_A164_0A94_D870),
      (300, 0xDB20_0C4C_87C9_38F0, 0xBBB2_0D92_BACD_042C),
    ] as [(Int, UInt64, UInt64)])
  func everyLengthClassAgreesWithXXH64(count: Int, unseeded: UInt64, seeded: UInt64) {
    // A slice that does not start at 0, so that its memory is not aligned.
    let bytes = ([0xEE] + (0..<300).map { UInt8(truncatingIfNeeded: $0 * $0 * 31 + $0 * 7 + 11) })
    let slice = bytes[1..<1 + count]
    #expect(StableHash.of(slice) == unseeded)
    #expect(StableHash.of(slice, seed: 2_654_435_761) == seeded)
  }
}
