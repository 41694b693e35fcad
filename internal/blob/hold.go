package blob

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/gopulp/pulp/internal/oslock"
)

// patience is how long to wait for a process that removes or places a blob, which takes it an instant: it was stopped in the
// middle of that.
const patience = 30 * time.Second

// hold keeps those who remove blobs and those who place some apart until release is called, in all processes that share the
// store: nobody removes what somebody else has just relied on. alone is for who removes.
func (s *Store) hold(alone bool) (release func(), err error) {
	lock, unlock := s.placing.RLock, s.placing.RUnlock
	if alone {
		lock, unlock = s.placing.Lock, s.placing.Unlock
	}
	lock()
	if !s.shared {
		return unlock, nil
	}
	f, err := s.root.OpenFile(lockFile, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err = oslock.Wait(ctx, f, alone); err != nil {
			f.Close()
		}
	}
	if err != nil {
		unlock()
		return nil, fmt.Errorf("lock the store: %w", err)
	}
	return func() {
		f.Close() // which unlocks it
		unlock()
	}, nil
}
