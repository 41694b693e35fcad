package seal

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// MAC returns 32 bytes that only a holder of the newest key can make for this purpose and these parts, in this order
// and division. Different purposes use independent keys, so a MAC made for one is worthless for another.
func (b *Box) MAC(purpose string, parts ...[]byte) []byte { return b.keys[0].mac(purpose, parts) }

// VerifyMAC reports, in constant time per key, whether mac was made by MAC with one of the Box's keys, also an old one.
func (b *Box) VerifyMAC(mac []byte, purpose string, parts ...[]byte) bool {
	fits := false
	for _, k := range b.keys {
		fits = hmac.Equal(mac, k.mac(purpose, parts)) || fits
	}
	return fits
}

func (k key) mac(purpose string, parts [][]byte) []byte {
	sub, err := hkdf.Key(sha256.New, k.secret, nil, "pulp mac v1\x00"+purpose, sha256.Size)
	if err != nil {
		panic("seal: hkdf: " + err.Error()) // only for lengths beyond 255 hashes
	}
	h := hmac.New(sha256.New, sub)
	for _, p := range parts {
		// The length keeps ("ab", "c") apart from ("a", "bc").
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		h.Write(p)
	}
	return h.Sum(nil)
}
