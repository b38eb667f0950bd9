"""What a steady teacher would do in the states that a student gets into."""
