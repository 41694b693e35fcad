package password_test

import (
	"strings"
	"testing"

	"github.com/gopulp/pulp/internal/password"
	"github.com/stretchr/testify/require"
)

func TestOnlyTheHashedPasswordFits(t *testing.T) {
	t.Parallel()
	for _, h := range []string{password.Hash("s3cret"), password.HashRandom("s3cret")} {
		for guess, fits := range map[string]bool{"s3cret": true, "s3cret ": false, "S3cret": false, "": false} {
			got, err := password.Fits(h, guess)
			require.NoError(t, err)
			require.Equal(t, fits, got, "%q", guess)
		}
		require.NotContains(t, h, "s3cret")
	}
}

func TestEqualPasswordsHaveDifferentHashes(t *testing.T) {
	t.Parallel()
	require.NotEqual(t, password.Hash("x"), password.Hash("x"))
}

func TestNothingFitsTheDecoyWhichCostsTheSame(t *testing.T) {
	t.Parallel()
	got, err := password.Fits(password.Decoy, "")
	require.NoError(t, err)
	require.False(t, got)
	costs := func(text string) string { return strings.Split(text, "$")[3] }
	require.Equal(t, costs(password.Hash("")), costs(password.Decoy))
}

func TestOtherTextIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "secret", "$2b$10$abcdefghijklmnopqrstuv",
		"$argon2id$v=19$m=0,t=0,p=0$AAAA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=99999999,t=1,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=64,t=1,p=1$AAAA$AAAA",
		"$argon2id$v=18$m=64,t=1,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA",
	} {
		_, err := password.Fits(text, "x")
		require.Error(t, err, "%q", text)
	}
}

func BenchmarkFits(b *testing.B) {
	for b.Loop() {
		password.Fits(password.Decoy, "guess")
	}
}
