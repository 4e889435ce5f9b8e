# Signs the message on standard input: perl sign.pl KEY ALGORITHM FORM DOMAIN SELECTOR. Writes the field, then the message.
use strict;
use warnings;
use Mail::DKIM::Signer;
my ($key, $algorithm, $form, $domain, $selector) = @ARGV;
binmode STDIN;
binmode STDOUT;
my $message = do { local $/; <STDIN> };
my $signer = Mail::DKIM::Signer->new(
    Algorithm => $algorithm, Method => $form, Domain => $domain, Selector => $selector, KeyFile => $key,
);
$signer->PRINT($message);
$signer->CLOSE;
print $signer->signature->as_string, "\r\n", $message;
