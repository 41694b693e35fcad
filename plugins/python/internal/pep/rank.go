package pep

import (
	"fmt"
	"regexp"
	"strings"
)

// normalForm are the parts of a version in its normal form: epoch, release, pre-release, post-release, development release and
// local label.
var normalForm = regexp.MustCompile(`^(?:(\d+)!)?(\d+(?:\.\d+)*)(?:(a|b|rc)(\d+))?(?:\.post(\d+))?(?:\.dev(\d+))?(?:\+(.*))?$`)

// Rank is a text for a version, such that the order of texts is that of versions.
func Rank(version string) (string, error) {
	v, err := ParseVersion(version)
	if err != nil {
		return "", fmt.Errorf("%.40q is no version as PEP 440 has them", version)
	}
	m := normalForm.FindStringSubmatch(v.String())
	if m == nil {
		return "", fmt.Errorf("%.40q is no version that can be compared", version)
	}
	var b strings.Builder
	b.WriteString(number(m[1]))
	release := strings.Split(m[2], ".")
	for len(release) > 1 && strings.Trim(release[len(release)-1], "0") == "" {
		release = release[:len(release)-1]
	}
	for _, part := range release {
		b.WriteString("." + number(part))
	}
	// The signs are in the order of ASCII: ! before the . of a longer release, # a b r ~ for what comes one after another.
	pre, post, dev := m[3], m[5], m[6]
	switch {
	case pre != "":
		b.WriteString("!" + pre[:1] + number(m[4]))
	case post == "" && dev != "":
		b.WriteString("!#") // before all pre-releases
	default:
		b.WriteString("!~")
	}
	b.WriteString(part(post, "~", "#") + part(dev, "#", "~"))
	for label := range strings.SplitSeq(m[7], ".") {
		switch {
		case label == "":
		case strings.Trim(label, "0123456789") == "":
			b.WriteString("~" + number(label))
		default:
			b.WriteString("a" + label + "!")
		}
	}
	return b.String(), nil
}

// part is a sign and the number of a part of a version, or a sign that there is none.
func part(digits, some, none string) string {
	if digits == "" {
		return none
	}
	return some + number(digits)
}

// number is a number, such that longer ones come later.
func number(digits string) string {
	digits = strings.TrimLeft(digits, "0")
	return fmt.Sprintf("%03d", len(digits)) + digits
}
