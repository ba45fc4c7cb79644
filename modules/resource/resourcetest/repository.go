package resourcetest

// Repository is a repository of apt with nothing in it: its InRelease, which
// serves a flat one and one with the component main alike, and the public key
// that it is signed with. The private one was thrown away.
func Repository() (release, key string) { return repositoryRelease, repositoryKey }

// ForeignKey is another public key.
const ForeignKey = `-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEZZIAgBYJKwYBBAHaRw8BAQdAOVeamnO8wdPGJeQ2+bZl4xpoHDMR9fu4LqKE
sm4Lcgu0F290aGVyIDxvdGhlckBsb2NhbGhvc3Q+iJAEExYIADgWIQQZR/IMV3Et
5eHiowG4E21Fbl8vkwUCZZIAgAIbAwULCQgHAgYVCgkICwIEFgIDAQIeAQIXgAAK
CRC4E21Fbl8vk3C9AQD55gf75ztmjnSI5jN0U9wkNSzQiii9CWD4Ugnuzu106wEA
sSYf3YhKnmw28H5p7UeQHuvCgafxOEgvr1ep+a3SRgo=
=Tg2+
-----END PGP PUBLIC KEY BLOCK-----
`

const repositoryKey = `-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEZZIAgBYJKwYBBAHaRw8BAQdAkH+v9kGm9hAIzA6BsZJCP/BV2+XBjlag2t8f
aylttKa0G2twbGFuIGxhd3MgPGxhd3NAbG9jYWxob3N0PoiQBBMWCAA4FiEEpxAe
JPR5Rub1j7TZCwNtMTw8EGEFAmWSAIACGwMFCwkIBwIGFQoJCAsCBBYCAwECHgEC
F4AACgkQCwNtMTw8EGEghgD/bToA62oCv5qAXvSkGncRyUyOvDodSCJuRANQNSGF
UEABAPtVpsGbXJyCPrSc9sYCJX3flDenxoDqNNBfxtJ00LsD
=20U4
-----END PGP PUBLIC KEY BLOCK-----
`

const repositoryRelease = `-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

Origin: kplan-law
Suite: stable
Components: main
Architectures: all amd64 arm64
Date: Mon, 01 Jan 2024 00:00:00 UTC
SHA256:
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 Packages
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/binary-amd64/Packages
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/binary-arm64/Packages
-----BEGIN PGP SIGNATURE-----

iIUEARYIAC0WIQSnEB4k9HlG5vWPtNkLA20xPDwQYQUCZZIAgA8cbGF3c0Bsb2Nh
bGhvc3QACgkQCwNtMTw8EGG3CAEArmMbcKCUK/Dd/Qlnks4Fv+HIOS64KKte5u3+
Do9ex00BAM49ISk6jKimEkDaPvbCfF/IciZVNj7xDXssAPSlRecC
=tJ9d
-----END PGP SIGNATURE-----
`
