package pulp

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	shortestPassword = 8
	longestPassword  = 4096
)

// passwordFaults are the reasons why a password is too weak for a user; nil if it is not.
func passwordFaults(password string, of *userRecord) (out []string) {
	switch {
	case password == "":
		return []string{"This field may not be blank."}
	case strings.ContainsRune(password, 0):
		return []string{"Null characters are not allowed."}
	case utf8.RuneCountInString(password) > longestPassword:
		return []string{"Ensure this field has no more than 4096 characters."}
	}
	for _, about := range []struct{ name, value string }{
		{"username", of.Username}, {"first name", of.FirstName}, {"last name", of.LastName}, {"email address", of.Email},
	} {
		if similar(password, about.value) {
			out = append(out, "The password is too similar to the "+about.name+".")
			break
		}
	}
	if utf8.RuneCountInString(password) < shortestPassword {
		out = append(out, "This password is too short. It must contain at least 8 characters.")
	}
	if common(password) {
		out = append(out, "This password is too common.")
	}
	if strings.IndexFunc(password, func(r rune) bool { return !unicode.IsDigit(r) }) < 0 {
		out = append(out, "This password is entirely numeric.")
	}
	return out
}

// similar says whether a password is mostly made of the letters of what everybody knows of its
// user, or of a word of that.
func similar(password, about string) bool {
	password, about = strings.ToLower(password), strings.ToLower(about)
	words := strings.FieldsFunc(about, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' })
	for _, word := range append(words, about) {
		n, m := utf8.RuneCountInString(password), utf8.RuneCountInString(word)
		if m == 0 || n >= 10*m && m < n/2 { // too long for it to matter
			continue
		}
		if float64(2*shared(password, word)) >= 0.7*float64(n+m) {
			return true
		}
	}
	return false
}

// shared counts the letters that two texts have in common.
func shared(a, b string) (n int) {
	counts := map[rune]int{}
	for _, r := range a {
		counts[r]++
	}
	for _, r := range b {
		if counts[r] > 0 {
			counts[r]--
			n++
		}
	}
	return n
}

// common says whether a password is one of those that are tried first.
func common(password string) bool {
	return slices.Contains(strings.Fields(commonPasswords), strings.ToLower(password))
}

// commonPasswords are those of at least eight characters that are tried first.
const commonPasswords = `password password1 password12 password123 password1234 passw0rd p@ssw0rd p@ssword pa$$word passwort
12345678 123456789 1234567890 87654321 987654321 0987654321 11111111 00000000 88888888 12341234 11223344 123123123 123321123
1q2w3e4r 1q2w3e4r5t 1qaz2wsx qwertyui qwertyuiop qwerty12 qwerty123 qwerty1234 asdfghjk asdfghjkl zxcvbnm1 zaq12wsx q1w2e3r4
abcd1234 abc12345 abcdefgh aaaaaaaa letmein1 letmein123 welcome1 welcome123 iloveyou iloveyou1 sunshine sunshine1 princess
princess1 football football1 baseball baseball1 basketball superman superman1 batman123 starwars trustno1 whatever computer
internet michelle jennifer jessica1 victoria danielle charlie1 michael1 jordan23 mercedes corvette maverick midnight liverpool
chelsea1 arsenal1 dolphins cowboys1 steelers redskins marlboro butterfly chocolate cocacola snickers hello123 changeme
changeme1 changeme123 changethis secret123 secret12 admin123 admin1234 administrator adminadmin rootroot root1234 testtest
test1234 testing1 testing123 guest123 default1 master123 dragon123 monkey123 shadow123 killer123 access14 access123 login123
pulppulp pulp1234 pulpadmin adminpulp november december february september geheim123 hallo123 passpass password! password1!
qwerty1! welcome1! summer2020 winter2020 spring2020 qazwsxedc 147258369 159753456 159357456 741852963 789456123 963852741`

// goodUsername says whether a username has only letters, digits and @ . + - _.
func goodUsername(name string) bool {
	return strings.IndexFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("@.+-_", r)
	}) < 0
}
