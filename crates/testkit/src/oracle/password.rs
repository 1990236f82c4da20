//! Two passwords in every form in which rows can hold them; the forms were made with other programs.

/// A password, and attributes and values that know it.
pub(super) struct Known {
    pub(super) password: &'static str,
    pub(super) forms: &'static [(&'static str, &'static str)],
}

pub(super) const KNOWN: [Known; 2] = [
    Known {
        password: "pw",
        forms: &[
            ("Cleartext-Password", "pw"),
            ("Crypt-Password", "abzlUXK5ed5rs"),
            ("Crypt-Password", "$1$abcdefgh$IQtUouv7y7Q9dRWkQEPCc."),
            (
                "Crypt-Password",
                "$5$rounds=1000$abcdefgh$ggW8Ynp0m1BgJIXoc8pRCAiEP.uCk5kdN89CuGUnta.",
            ),
            (
                "Crypt-Password",
                "$6$rounds=1000$abcdefgh$XqwJcW6OI747PCzoKGoK/1tWSlKoh2vkjEp0I.CpQYUGXuxtpSzAi0rXpF1oWR/3/HfvxKLb7xwD0vymBsSv8/",
            ),
            (
                "Crypt-Password",
                "$2b$04$abcdefghijklmnopqrstuuyvPXIbu7xe6/CED2DzX8z6Si09MlzlW",
            ),
            (
                "Crypt-Password",
                "$2y$04$abcdefghijklmnopqrstuuyvPXIbu7xe6/CED2DzX8z6Si09MlzlW",
            ),
            ("MD5-Password", "8fe4c11451281c094a6578e6ddbf5eed"),
            ("MD5-Password", "j+TBFFEoHAlKZXjm3b9e7Q=="),
            ("MD5-Password", "0x8fe4c11451281c094a6578e6ddbf5eed"),
            ("MD5-Password", "8FE4C11451281C094A6578E6DDBF5EED"),
            ("SMD5-Password", "gAFWeBlFI+AN3p0SBJ29tKGyw9Q="),
            ("SMD5-Password", "80015678194523e00dde9d12049dbdb4a1b2c3d4"),
            ("SHA-Password", "1a91d62f7ca67399625a4368a6ab5d4a3baa6073"),
            ("SHA1-Password", "GpHWL3ymc5liWkNopqtdSjuqYHM="),
            ("SSHA-Password", "xjYiFwCXYHDBCcAipug5MNqiSamhssPU"),
            (
                "SSHA1-Password",
                "c636221700976070c109c022a6e83930daa249a9a1b2c3d4",
            ),
            (
                "SHA2-Password",
                "bebeef056d2fc0c96fbdd3372c8b766a0d3b5bac45cc56a4f15235cd",
            ),
            (
                "SSHA2-224-Password",
                "Z27quT1yvWCd6HerVWjMK1KBP9f8lBEIVfxjKKGyw9Q=",
            ),
            ("SHA2-Password", "vr7vBW0vwMlvvdM3LIt2ag07W6xFzFak8VI1zQ=="),
            (
                "SHA2-Password",
                "30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4",
            ),
            (
                "SSHA2-256-Password",
                "1ChJGNcK/WeuoQyiEJhIs2sBIbUx2N/ww3xWzECWW/OhssPU",
            ),
            (
                "SHA2-Password",
                "MMlS+rEiw/l1nwKm2Vw3WLJGtP7iOZV7LU/uRuJhcMQ=",
            ),
            (
                "SHA2-Password",
                "e75984af4914e9531b359fa63ba8abf6b781d6fcbd8698b84d7c3136c5c47e2be33119ed13d064151405cdfeff51ee43",
            ),
            (
                "SSHA2-384-Password",
                "/nk306slj3swIq9aihE5PXByE2Yq7h2/dhbA9+YqV064KjrrDf9aueSwjjEYCdYNobLD1A==",
            ),
            (
                "SHA2-Password",
                "51mEr0kU6VMbNZ+mO6ir9reB1vy9hpi4TXwxNsXEfivjMRntE9BkFRQFzf7/Ue5D",
            ),
            (
                "SHA2-Password",
                "be196838736ddfd0007dd8b2e8f46f22d440d4c5959925cb49135abc9cdb01e84961aa43dd0ddb6ee59975eb649280d9f44088840af37451828a6412b9b574fc",
            ),
            (
                "SSHA2-512-Password",
                "tRO0gg4uxHhV/R4KDdkz6UbbD9dyzXk+O8nTJKttB7nwfYpd4c4VhezoYb7ABHhWrUO5XmFEIhGA4+oQL4sXB6Gyw9Q=",
            ),
            (
                "SHA2-Password",
                "vhloOHNt39AAfdiy6PRvItRA1MWVmSXLSRNavJzbAehJYapD3Q3bbuWZdetkkoDZ9ECIhArzdFGCimQSubV0/A==",
            ),
            (
                "SHA3-Password",
                "fd5a71a5fecae3102bf192afa6e4c07566bd8f41fbc6934cc20fd12e5595e121",
            ),
            (
                "SSHA3-256-Password",
                "6Z0plN7UQpb3PF0dOOYRcxEUfnCg7pfNYElxK9pkuMihssPU",
            ),
            (
                "SHA3-Password",
                "bc01cefc69c54c31f13d86a416a68211e9e02efb0ac3db1318dd5ea768de73209a7e30ee92d942ea31086fcbdb62a42d2ea7336913628d29e89aea5cf74dd526",
            ),
            (
                "SSHA3-512-Password",
                "GmHnX8kO5UTG2ZeLJvC5SGqPCi36B1DUf0GWuOLADVRyw41g11UuhVeunX+XWoOAc6BvLdLG2rjW7DiDBw9+E6Gyw9Q=",
            ),
            ("NT-Password", "8CC19B6A8CFEAC299C2871C86B38DE28"),
            ("NT-Password", "8cc19b6a8cfeac299c2871c86b38de28"),
            ("NT-Password", "0x8cc19b6a8cfeac299c2871c86b38de28"),
            ("NT-Password", "jMGbaoz+rCmcKHHIazjeKA=="),
            ("Password-With-Header", "{clear}pw"),
            ("Password-With-Header", "{cleartext}pw"),
            ("Password-With-Header", "{CLEAR}pw"),
            (
                "Password-With-Header",
                "{md5}8fe4c11451281c094a6578e6ddbf5eed",
            ),
            ("Password-With-Header", "{md5}j+TBFFEoHAlKZXjm3b9e7Q=="),
            ("Password-With-Header", "{MD5}j+TBFFEoHAlKZXjm3b9e7Q=="),
            ("Password-With-Header", "{smd5}gAFWeBlFI+AN3p0SBJ29tKGyw9Q="),
            ("Password-With-Header", "{sha}GpHWL3ymc5liWkNopqtdSjuqYHM="),
            (
                "Password-With-Header",
                "{ssha}xjYiFwCXYHDBCcAipug5MNqiSamhssPU",
            ),
            (
                "Password-With-Header",
                "{SSHA}xjYiFwCXYHDBCcAipug5MNqiSamhssPU",
            ),
            (
                "Password-With-Header",
                "{sha2}MMlS+rEiw/l1nwKm2Vw3WLJGtP7iOZV7LU/uRuJhcMQ=",
            ),
            (
                "Password-With-Header",
                "{sha256}MMlS+rEiw/l1nwKm2Vw3WLJGtP7iOZV7LU/uRuJhcMQ=",
            ),
            (
                "Password-With-Header",
                "{sha512}be196838736ddfd0007dd8b2e8f46f22d440d4c5959925cb49135abc9cdb01e84961aa43dd0ddb6ee59975eb649280d9f44088840af37451828a6412b9b574fc",
            ),
            (
                "Password-With-Header",
                "{ssha256}1ChJGNcK/WeuoQyiEJhIs2sBIbUx2N/ww3xWzECWW/OhssPU",
            ),
            (
                "Password-With-Header",
                "{ssha512}tRO0gg4uxHhV/R4KDdkz6UbbD9dyzXk+O8nTJKttB7nwfYpd4c4VhezoYb7ABHhWrUO5XmFEIhGA4+oQL4sXB6Gyw9Q=",
            ),
            (
                "Password-With-Header",
                "{nt}8cc19b6a8cfeac299c2871c86b38de28",
            ),
            (
                "Password-With-Header",
                "{nthash}8CC19B6A8CFEAC299C2871C86B38DE28",
            ),
            (
                "Password-With-Header",
                "{x-nthash}8cc19b6a8cfeac299c2871c86b38de28",
            ),
            (
                "Password-With-Header",
                "{crypt}$6$rounds=1000$abcdefgh$XqwJcW6OI747PCzoKGoK/1tWSlKoh2vkjEp0I.CpQYUGXuxtpSzAi0rXpF1oWR/3/HfvxKLb7xwD0vymBsSv8/",
            ),
            (
                "Password-With-Header",
                "{ns-mta-md5}8fe4c11451281c094a6578e6ddbf5eeda1b2c3d4",
            ),
            ("Password-With-Header", "pw"),
            ("Password-With-Header", "{unknown}pw"),
            (
                "Password-With-Header",
                "{base64_md5}j+TBFFEoHAlKZXjm3b9e7Q==",
            ),
            (
                "Password-With-Header",
                "e21kNX04ZmU0YzExNDUxMjgxYzA5NGE2NTc4ZTZkZGJmNWVlZA==",
            ),
            ("Password-With-Header", "e2NsZWFyfXB3"),
            ("User-Password", "pw"),
            ("Cleartext-Password", "\"pw\""),
            ("Cleartext-Password", "'pw'"),
        ],
    },
    Known {
        password: "Sesam öffne",
        forms: &[
            ("Cleartext-Password", "Sesam öffne"),
            ("Crypt-Password", "abgpyZPf1zpuE"),
            ("Crypt-Password", "$1$abcdefgh$5pS1dDMwjtXh0MI00JUJZ."),
            (
                "Crypt-Password",
                "$5$rounds=1000$abcdefgh$KkjxN9M8ayZdNmG1WLGQAWm0jmcVerz7S66R3tFs712",
            ),
            (
                "Crypt-Password",
                "$6$rounds=1000$abcdefgh$S1mcOszRL9WoziqXuDAB1jWayPZR5lKQXnR1WwaP3c.QCvOpxaHp.yd6MKL5OdpbDGRpBbHVTKFTKoZGDq7fR0",
            ),
            (
                "Crypt-Password",
                "$2b$04$abcdefghijklmnopqrstuuDCRA.6CNObkwSujJY9lXVEHMb90.wAe",
            ),
            (
                "Crypt-Password",
                "$2y$04$abcdefghijklmnopqrstuuDCRA.6CNObkwSujJY9lXVEHMb90.wAe",
            ),
            ("MD5-Password", "56443fedf0a2b8d315bdb355394b0402"),
            ("MD5-Password", "VkQ/7fCiuNMVvbNVOUsEAg=="),
            ("MD5-Password", "0x56443fedf0a2b8d315bdb355394b0402"),
            ("MD5-Password", "56443FEDF0A2B8D315BDB355394B0402"),
            ("SMD5-Password", "VyvfUD6zVZPeVMDo712Ks6Gyw9Q="),
            ("SMD5-Password", "572bdf503eb35593de54c0e8ef5d8ab3a1b2c3d4"),
            ("SHA-Password", "e558d347eb1c57bcb551601680e3b1d6798acc5b"),
            ("SHA1-Password", "5VjTR+scV7y1UWAWgOOx1nmKzFs="),
            ("SSHA-Password", "GNFKEUABTWKcqPxQEBn2GVBoWbKhssPU"),
            (
                "SSHA1-Password",
                "18d14a1140014d629ca8fc501019f619506859b2a1b2c3d4",
            ),
            (
                "SHA2-Password",
                "a8c655a4a5bdaf9259b7d6b771a69f23977d1b84e4bff603d8a7b0e1",
            ),
            (
                "SSHA2-224-Password",
                "ezekpsM29K1mh63Z8k7QF8Q7Sjgu+Qyx4xmf6aGyw9Q=",
            ),
            ("SHA2-Password", "qMZVpKW9r5JZt9a3caafI5d9G4Tkv/YD2Kew4Q=="),
            (
                "SHA2-Password",
                "ddf767045e99aea90f2e04552e7e67b05b8884f9ccb5f30b7ec8e3e976d1bf37",
            ),
            (
                "SSHA2-256-Password",
                "+JXM/+T0QCqlaEcVd7BeZMKNP1yIjfKpt83i584AjC2hssPU",
            ),
            (
                "SHA2-Password",
                "3fdnBF6ZrqkPLgRVLn5nsFuIhPnMtfMLfsjj6XbRvzc=",
            ),
            (
                "SHA2-Password",
                "f0d8f4ee543c1d81236cff3cb869dbbafbe3f70893488d7b7d0ecab68b7db4b7b125fa817ac3fd0f403139ec48d744ea",
            ),
            (
                "SSHA2-384-Password",
                "B401swB+/B/1fbq53rkogEJwOyYFZsf4i/YOO0ufB22VxiQ9Y56K72CeGwFNIv9MobLD1A==",
            ),
            (
                "SHA2-Password",
                "8Nj07lQ8HYEjbP88uGnbuvvj9wiTSI17fQ7Ktot9tLexJfqBesP9D0AxOexI10Tq",
            ),
            (
                "SHA2-Password",
                "24a4fc7bc52aee190b04ecf13687e781222e52b2f7076ebf847de3154e2d9b9b019b03e00e83e29a2d9e757d07d4d0972059667041c2e6a242ebc4b811c35004",
            ),
            (
                "SSHA2-512-Password",
                "DXYurEW7AHv/wyNEmSf8QVyvgr+Fp10iFOEVsnpltjd/u3f6OahQ6GqYavoZGjpCZq6c3Tj/ZINjEK8LuymDMqGyw9Q=",
            ),
            (
                "SHA2-Password",
                "JKT8e8Uq7hkLBOzxNofngSIuUrL3B26/hH3jFU4tm5sBmwPgDoPimi2edX0H1NCXIFlmcEHC5qJC68S4EcNQBA==",
            ),
            (
                "SHA3-Password",
                "fe41553724cd16696f30307fce045e11a7c3d42431abb0f20805f4059c34f212",
            ),
            (
                "SSHA3-256-Password",
                "n9JVd20zKNDzejCuL6pLwY4wle1vRmjjPdFl7q3YQdihssPU",
            ),
            (
                "SHA3-Password",
                "b5b5a52d5e45081091d780856cb9d38ec294b336dd166094e61da9f1e2c40ded9f410f5e864bc447556f350c4c5a2fcf22200bf75f0c9b5092b3642cc93f1010",
            ),
            (
                "SSHA3-512-Password",
                "Avh0evlcPH8GgbPnTY1QMNZzQ99lZ+iKToj/yxIHQIf0CsxEIbpO+DbQLWjW7SyXlIkvbrZVfbCssuzC3PWy4KGyw9Q=",
            ),
            ("NT-Password", "7B15A1E69CB3A4208EA90D789EF6BB16"),
            ("NT-Password", "7b15a1e69cb3a4208ea90d789ef6bb16"),
            ("NT-Password", "0x7b15a1e69cb3a4208ea90d789ef6bb16"),
            ("NT-Password", "exWh5pyzpCCOqQ14nva7Fg=="),
            ("Password-With-Header", "{clear}Sesam öffne"),
            ("Password-With-Header", "{cleartext}Sesam öffne"),
            ("Password-With-Header", "{CLEAR}Sesam öffne"),
            (
                "Password-With-Header",
                "{md5}56443fedf0a2b8d315bdb355394b0402",
            ),
            ("Password-With-Header", "{md5}VkQ/7fCiuNMVvbNVOUsEAg=="),
            ("Password-With-Header", "{MD5}VkQ/7fCiuNMVvbNVOUsEAg=="),
            ("Password-With-Header", "{smd5}VyvfUD6zVZPeVMDo712Ks6Gyw9Q="),
            ("Password-With-Header", "{sha}5VjTR+scV7y1UWAWgOOx1nmKzFs="),
            (
                "Password-With-Header",
                "{ssha}GNFKEUABTWKcqPxQEBn2GVBoWbKhssPU",
            ),
            (
                "Password-With-Header",
                "{SSHA}GNFKEUABTWKcqPxQEBn2GVBoWbKhssPU",
            ),
            (
                "Password-With-Header",
                "{sha2}3fdnBF6ZrqkPLgRVLn5nsFuIhPnMtfMLfsjj6XbRvzc=",
            ),
            (
                "Password-With-Header",
                "{sha256}3fdnBF6ZrqkPLgRVLn5nsFuIhPnMtfMLfsjj6XbRvzc=",
            ),
            (
                "Password-With-Header",
                "{sha512}24a4fc7bc52aee190b04ecf13687e781222e52b2f7076ebf847de3154e2d9b9b019b03e00e83e29a2d9e757d07d4d0972059667041c2e6a242ebc4b811c35004",
            ),
            (
                "Password-With-Header",
                "{ssha256}+JXM/+T0QCqlaEcVd7BeZMKNP1yIjfKpt83i584AjC2hssPU",
            ),
            (
                "Password-With-Header",
                "{ssha512}DXYurEW7AHv/wyNEmSf8QVyvgr+Fp10iFOEVsnpltjd/u3f6OahQ6GqYavoZGjpCZq6c3Tj/ZINjEK8LuymDMqGyw9Q=",
            ),
            (
                "Password-With-Header",
                "{nt}7b15a1e69cb3a4208ea90d789ef6bb16",
            ),
            (
                "Password-With-Header",
                "{nthash}7B15A1E69CB3A4208EA90D789EF6BB16",
            ),
            (
                "Password-With-Header",
                "{x-nthash}7b15a1e69cb3a4208ea90d789ef6bb16",
            ),
            (
                "Password-With-Header",
                "{crypt}$6$rounds=1000$abcdefgh$S1mcOszRL9WoziqXuDAB1jWayPZR5lKQXnR1WwaP3c.QCvOpxaHp.yd6MKL5OdpbDGRpBbHVTKFTKoZGDq7fR0",
            ),
            (
                "Password-With-Header",
                "{ns-mta-md5}56443fedf0a2b8d315bdb355394b0402a1b2c3d4",
            ),
            ("Password-With-Header", "Sesam öffne"),
            ("Password-With-Header", "{unknown}Sesam öffne"),
            (
                "Password-With-Header",
                "{base64_md5}VkQ/7fCiuNMVvbNVOUsEAg==",
            ),
            (
                "Password-With-Header",
                "e21kNX01NjQ0M2ZlZGYwYTJiOGQzMTViZGIzNTUzOTRiMDQwMg==",
            ),
            ("Password-With-Header", "e2NsZWFyfVNlc2FtIMO2ZmZuZQ=="),
            ("User-Password", "Sesam öffne"),
            ("Cleartext-Password", "\"Sesam öffne\""),
            ("Cleartext-Password", "'Sesam öffne'"),
        ],
    },
];
