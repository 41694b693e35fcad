package pulp

// An idSet is a set of row ids: a bit for each, in blocks, so that a million units of one
// repository take about as many bits.
type idSet struct{ blocks map[int64]uint64 }

func (s *idSet) add(ids ...int64) {
	if s.blocks == nil {
		s.blocks = map[int64]uint64{}
	}
	for _, id := range ids {
		s.blocks[id>>6] |= 1 << (id & 63)
	}
}

func (s *idSet) has(id int64) bool { return s.blocks[id>>6]&(1<<(id&63)) != 0 }
